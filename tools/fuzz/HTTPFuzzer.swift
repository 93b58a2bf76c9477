// libFuzzer's target for the HTTP/1.1 codec (`make fuzz`). The first byte chooses what the rest is, the second one where a read
// ends. What must hold, whatever the bytes: nothing traps, nothing is read that is not there (AddressSanitizer); the result
// does not depend on where reads end; a head that was accepted and written anew is accepted, with the same framing.
import Glibc
import HTTP

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 2 else { return 0 }
    // A copy of just the size, so that a byte too far is found.
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: count - 2, alignment: 1)
    defer { bytes.deallocate() }
    bytes.copyMemory(from: UnsafeRawBufferPointer(start: start + 2, count: count - 2))
    let input = UnsafeRawBufferPointer(bytes)
    let cut = Int(start[1]) * input.count / 256
    switch start[0] % 3 {
    case 0: requestHead(input, cut)
    case 1: responseHead(input, cut, start[0] & 0x80 == 0 ? .get : .head)
    default: chunked(input, cut)
    }
    return 0
}

private func require(_ condition: Bool, _ what: StaticString) {
    guard condition else { fatalError("\(what)") }
}

/// What a parser said of a head.
private struct Outcome: Equatable {
    var length: Int?
    var error: HTTPError?
    var framing = BodyFraming.none
    var fieldCount = 0
    var keepAlive = false
}

private func outcome(_ parser: inout HeadParser, _ parse: (inout HeadParser) throws(HTTPError) -> Int?) -> Outcome {
    do throws(HTTPError) {
        guard let length = try parse(&parser) else { return Outcome() }
        return Outcome(length: length, framing: parser.framing, fieldCount: parser.fieldCount, keepAlive: parser.keepAlive)
    } catch {
        return Outcome(error: error)
    }
}

/// The head at once, and in two reads, whose second one goes on where the first one stopped.
private func parsed(
    _ parser: inout HeadParser, _ input: UnsafeRawBufferPointer, _ cut: Int, _ parse: (inout HeadParser, RawSpan, inout Int) throws(HTTPError) -> Int?
) -> Outcome {
    var position = 0
    var pieces = outcome(&parser) { parser throws(HTTPError) in try parse(&parser, UnsafeRawBufferPointer(rebasing: input[..<cut]).bytes, &position) }
    if pieces == Outcome() { pieces = outcome(&parser) { parser throws(HTTPError) in try parse(&parser, input.bytes, &position) } }
    position = 0
    let whole = outcome(&parser) { parser throws(HTTPError) in try parse(&parser, input.bytes, &position) }
    require(whole == pieces, "a head is not the same in two reads")
    require((whole.length ?? 0) <= input.count, "a head is longer than what was read")
    return whole
}

private func requestHead(_ input: UnsafeRawBufferPointer, _ cut: Int) {
    var parser = HeadParser()
    let first = parsed(&parser, input, cut) { parser, bytes, position throws(HTTPError) in try parser.parseRequest(bytes, from: &position) }
    guard first.length != nil else { return }
    written(input.count) { sink in
        sink.appendRequestLine(parser, input.bytes)
        sink.appendField("Host", "x")
        sink.appendFields(parser, input.bytes, except: .none.with(.host).with(.contentLength))
        appendFraming(parser.framing, &sink)
    } check: { head in
        var again = HeadParser()
        var position = 0
        let second = outcome(&again) { parser throws(HTTPError) in try parser.parseRequest(head.bytes, from: &position) }
        require(second.error == nil && second.length == head.count, "a request that was written anew is refused")
        require(second.framing == first.framing, "a request has another body when it is written anew")
        require(!again.contains(.connection) && !again.contains(.upgrade) && !again.contains(.keepAlive), "a hop-by-hop field was written")
    }
}

private func responseHead(_ input: UnsafeRawBufferPointer, _ cut: Int, _ method: Method) {
    var parser = HeadParser()
    let first = parsed(&parser, input, cut) { parser, bytes, position throws(HTTPError) in try parser.parseResponse(bytes, to: method, from: &position) }
    guard first.length != nil, parser.status != 101 else { return }
    written(input.count) { sink in
        sink.appendStatusLine(parser, input.bytes)
        sink.appendFields(parser, input.bytes, except: .none.with(.contentLength))
        appendFraming(parser.framing, &sink)
    } check: { head in
        var again = HeadParser()
        var position = 0
        let second = outcome(&again) { parser throws(HTTPError) in try parser.parseResponse(head.bytes, to: method, from: &position) }
        require(second.error == nil && second.length == head.count, "an answer that was written anew is refused")
        require(again.status == parser.status, "an answer has another status when it is written anew")
        if first.framing != .none { require(second.framing == first.framing, "an answer has another body when it is written anew") }
    }
}

private func appendFraming(_ framing: BodyFraming, _ sink: inout ByteSink) {
    switch framing {
    case .none, .untilClose: break
    case .length(let length): sink.appendField("Content-Length", decimal: length)
    case .chunked: sink.append("Transfer-Encoding: chunked\r\n")
    }
    sink.endHead()
}

private func written(_ size: Int, _ write: (inout ByteSink) -> Void, check: (UnsafeRawBufferPointer) -> Void) {
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * size + 256, alignment: 1)
    defer { room.deallocate() }
    var sink = ByteSink(room)
    write(&sink)
    require(!sink.overflowed, "a head has grown to more than twice its size")
    check(UnsafeRawBufferPointer(rebasing: room[..<sink.count]))
}

/// The data of a chunked body, how many bytes it took, and what was wrong with it.
private func decoded(_ input: UnsafeRawBufferPointer, readsEnd: [Int]) -> (data: [UInt8], used: Int, error: HTTPError?, isDone: Bool) {
    var decoder = ChunkedDecoder()
    var data: [UInt8] = []
    var position = 0
    do throws(HTTPError) {
        for end in readsEnd {
            let read = UnsafeRawBufferPointer(rebasing: input[..<end])
            pieces: while true {
                switch try decoder.next(read.bytes, from: &position) {
                case .data(let offset, let count): data += read[offset..<(offset + count)]
                case .needMore, .end: break pieces
                }
            }
        }
    } catch {
        return (data, position, error, false)
    }
    return (data, position, nil, decoder.isDone)
}

private func chunked(_ input: UnsafeRawBufferPointer, _ cut: Int) {
    let whole = decoded(input, readsEnd: [input.count])
    let pieces = decoded(input, readsEnd: [cut, input.count])
    require(whole == pieces, "a chunked body is not the same in two reads")
    require(whole.used <= input.count && whole.data.count <= input.count, "more than there was")
}
