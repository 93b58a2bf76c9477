// The wire format: what others wrote is read, what is malformed is an error, nothing traps.
import Foundation
import Testing

@testable import GRPC

private func fields(_ bytes: [UInt8]) -> Result<[ProtobufField], ProtobufError> {
    var reader = ProtobufReader(bytes[...])
    var fields: [ProtobufField] = []
    do throws(ProtobufError) {
        while let field = try reader.next() { fields.append(field) }
        return .success(fields)
    } catch {
        return .failure(error)
    }
}

/// From protobuf.dev's own examples and `protoc --encode`.
private let good: [(bytes: [UInt8], fields: [ProtobufField])] = [
    ([0x08, 0x96, 0x01], [ProtobufField(number: 1, value: .varint(150))]),
    ([0x12, 0x07] + Array("testing".utf8), [ProtobufField(number: 2, value: .bytes(Array("testing".utf8)[...]))]),
    ([0x11] + [0, 0, 0, 0, 0, 0, 0x59, 0x40], [ProtobufField(number: 2, value: .fixed64(100.0.bitPattern))]),
    ([0x1D, 1, 0, 0, 0x80], [ProtobufField(number: 3, value: .fixed32(0x8000_0001))]),
    ([0x08] + [UInt8](repeating: 0xFF, count: 9) + [0x01], [ProtobufField(number: 1, value: .varint(.max))]),
    ([0xF8, 0xFF, 0xFF, 0xFF, 0x0F, 0x00], [ProtobufField(number: (1 << 29) - 1, value: .varint(0))]),
    ([], []),
]

@Test(arguments: good) private func `fields are read`(_ row: (bytes: [UInt8], fields: [ProtobufField])) {
    #expect(fields(row.bytes) == .success(row.fields))
}

@Test(arguments: good) private func `a message that is cut is an error or shorter`(_ row: (bytes: [UInt8], fields: [ProtobufField])) {
    for count in row.bytes.indices.dropFirst() { #expect(fields(Array(row.bytes[..<count])) == .failure(.truncated), "\(count) bytes") }
}

private let bad: [(bytes: [UInt8], error: ProtobufError)] = [
    ([0x08] + [UInt8](repeating: 0xFF, count: 9) + [0x02], .badVarint),
    ([0x08] + [UInt8](repeating: 0x80, count: 11), .badVarint),
    ([0x00, 0x01], .badFieldNumber),
    ([0x80, 0x80, 0x80, 0x80, 0x10, 0x00], .badFieldNumber),
    ([0x0B], .badWireType(3)), ([0x0C], .badWireType(4)), ([0x0E], .badWireType(6)), ([0x0F], .badWireType(7)),
    ([0x12, 0x08, 1], .truncated),
    ([0x12] + [UInt8](repeating: 0xFF, count: 9) + [0x01], .truncated),
]

@Test(arguments: bad) private func `malformed messages are errors`(_ row: (bytes: [UInt8], error: ProtobufError)) {
    #expect(fields(row.bytes) == .failure(row.error))
}

@Test func `values are of the kind that is asked for`() throws {
    let text = ProtobufField(number: 4, value: .bytes([0xC3, 0x28]))
    #expect(throws: ProtobufError.badText(field: 4)) { try text.text() }
    #expect(throws: ProtobufError.unexpectedType(field: 4)) { try text.integer() }
    #expect(throws: ProtobufError.unexpectedType(field: 4)) { try text.double() }
    #expect(throws: ProtobufError.unexpectedType(field: 5)) { try ProtobufField(number: 5, value: .varint(1)).text() }
}

@Test func `what is written reads back`() {
    var writer = ProtobufWriter()
    writer.text(1, "Grüße")
    writer.text(2, "")
    writer.integer(3, 0)
    writer.integer(4, .max)
    writer.message(15, [])
    writer.message(16, [UInt8](repeating: 7, count: 300))
    #expect(
        fields(writer.bytes)
            == .success([
                ProtobufField(number: 1, value: .bytes(Array("Grüße".utf8)[...])), ProtobufField(number: 4, value: .varint(.max)),
                ProtobufField(number: 15, value: .bytes([])), ProtobufField(number: 16, value: .bytes(ArraySlice([UInt8](repeating: 7, count: 300)))),
            ]))
}

@Test func `no bytes make the reader trap, and each field takes some`() {
    let seed = ProcessInfo.processInfo.environment["TRUTHTABLE_FUZZ_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0...UInt64.max)
    var state = seed
    func random() -> UInt8 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 33)
    }
    for round in 0..<20_000 {
        var bytes = (0..<Int(random() % 40)).map { _ in random() }
        if round % 2 == 0, let row = good[Int(random()) % good.count].bytes as [UInt8]?, !row.isEmpty {
            bytes = row
            bytes[Int(random()) % bytes.count] = random()
        }
        if case .success(let read) = fields(bytes) { #expect(read.count * 2 <= bytes.count, "seed \(seed), round \(round)") }
    }
}
