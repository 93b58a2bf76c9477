// Bodies in a content coding (RFC 9110 §8.4): gzip, deflate, br, several after each other. What comes out is bounded, so that a
// small body that unpacks to gigabytes costs no more than an honest one.

import CBrotli
import CZlib

enum ContentCoding {
    /// More than any capture that is worth an audit; what lies beyond is cut.
    static let limitBytes = 2 << 20
    /// Nobody applies more than one.
    private static let codingLimit = 3
    /// How much is unpacked at once.
    private static let pieceBytes = 64 << 10

    enum Failure: Error, Equatable {
        case unknownCoding
        /// Not what its coding says; nothing of it can be read.
        case malformed
    }

    /// A body, the codings that are still on it (the value of Content-Encoding), and whether its end is missing.
    struct Body: Equatable {
        var bytes: [UInt8]
        var codings: String
        var isCut: Bool

        /// Takes the coding off that was put on last; nothing happens when none is left.
        mutating func unpack(limit: Int = limitBytes) throws(Failure) {
            var names = codings.lowercased().utf8.split(separator: UInt8(ascii: ",")).map { part in
                Array(part).trimmed(0..<part.count).map { Array(part)[$0] }
            }.filter { !$0.isEmpty }
            guard names.count <= codingLimit else { throw .unknownCoding }
            let name = names.popLast() ?? []
            codings = names.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ",")
            switch String(decoding: name, as: UTF8.self) {
            case "", "identity": break
            case "gzip", "x-gzip": if !isText(bytes) { try inflate(&self, windowBits: 15 + 32, limit) }
            case "deflate":
                guard !isText(bytes) else { break }
                // The name means zlib's format, but some send it without a head.
                do throws(Failure) { try inflate(&self, windowBits: 15, limit) } catch { try inflate(&self, windowBits: -15, limit) }
            case "br": if !isText(bytes) { try brotli(&self, limit) }
            default: throw .unknownCoding
            }
        }
    }

    /// The header may have outlived the coding: a proxy decoded the body and forgot to say so.
    private static func isText(_ bytes: [UInt8]) -> Bool {
        let start = bytes.prefix(8)
        return start.isEmpty || start.first == UInt8(ascii: "{") || start.starts(with: "data:".utf8) || start.starts(with: "event:".utf8) || start.starts(with: "[{".utf8)
    }

    private static func inflate(_ body: inout Body, windowBits: Int32, _ limit: Int) throws(Failure) {
        var stream = z_stream()
        guard unsafe czlib_inflate_init(&stream, windowBits) == Z_OK else { throw .malformed }
        defer { unsafe _ = inflateEnd(&stream) }
        var input = body.bytes
        var result: (bytes: [UInt8], isCut: Bool) = ([], body.isCut)
        var piece = [UInt8](repeating: 0, count: pieceBytes)
        var isBroken = false
        input.withUnsafeMutableBufferPointer { input in
            unsafe stream.next_in = input.baseAddress
            stream.avail_in = UInt32(clamping: input.count)
            while true {
                let state = piece.withUnsafeMutableBufferPointer { room in
                    unsafe stream.next_out = room.baseAddress
                    stream.avail_out = UInt32(clamping: room.count)
                    return unsafe CZlib.inflate(&stream, Z_NO_FLUSH)
                }
                let count = max(0, min(piece.count, piece.count - Int(stream.avail_out)))
                result.bytes += piece[..<min(count, max(0, limit - result.bytes.count))]
                if state == Z_STREAM_END { return }
                guard state == Z_OK || state == Z_BUF_ERROR else {
                    isBroken = true
                    return
                }
                if result.bytes.count >= limit || stream.avail_in == 0 && count < piece.count {
                    result.isCut = true
                    return
                }
                if count == 0, state == Z_BUF_ERROR {
                    result.isCut = true
                    return
                }
            }
        }
        guard !isBroken || !result.bytes.isEmpty else { throw .malformed }
        body.bytes = result.bytes
        body.isCut = result.isCut || isBroken
    }

    private static func brotli(_ body: inout Body, _ limit: Int) throws(Failure) {
        guard let decoder = BrotliDecoderCreateInstance(nil, nil, nil) else { throw .malformed }
        defer { unsafe BrotliDecoderDestroyInstance(decoder) }
        var result: (bytes: [UInt8], isCut: Bool) = ([], body.isCut)
        var piece = [UInt8](repeating: 0, count: pieceBytes)
        var isBroken = false
        body.bytes.withUnsafeBufferPointer { input in
            var left = input.count
            var next = input.baseAddress
            while true {
                var room = piece.count
                let state = piece.withUnsafeMutableBufferPointer { buffer in
                    var out = buffer.baseAddress
                    return unsafe BrotliDecoderDecompressStream(decoder, &left, &next, &room, &out, nil)
                }
                let count = max(0, min(piece.count, piece.count - room))
                result.bytes += piece[..<min(count, max(0, limit - result.bytes.count))]
                switch state {
                case BROTLI_DECODER_RESULT_SUCCESS: return
                case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT:
                    guard result.bytes.count < limit else {
                        result.isCut = true
                        return
                    }
                case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
                    result.isCut = true
                    return
                default:
                    isBroken = true
                    return
                }
            }
        }
        guard !isBroken || !result.bytes.isEmpty else { throw .malformed }
        body.bytes = result.bytes
        body.isCut = result.isCut || isBroken
    }
}
