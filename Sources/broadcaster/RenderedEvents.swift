// The newest events as the bytes that clients are sent: made once for each form that somebody uses, then shared. An event is
// compressed once for all who agreed on the same window.
// Leaves to others: older events, which are written for whoever comes back, uncompressed (RFC 7692 §6: a sender may choose).
import HTTP

/// By position, round and round; memory is kept from event to event.
struct RenderedEvents: ~Copyable {
    /// At most 64 KiB each, in ten forms: 20 MiB, if there are clients of every form and all events are of the longest.
    static let slots: UInt64 = 32

    private var positions = [UInt64](repeating: .max, count: Int(slots) * MessageForm.count)
    private var messages = [[UInt8]](repeating: [], count: Int(slots) * MessageForm.count)
    private var deflaters = InlineArray<3, MessageDeflater> { MessageDeflater(windowBits: DeflateAgreement.windows[$0]) }
    /// How often a message was made.
    private(set) var count = 0

    /// Whether the event at a position is new enough to be shared.
    static func holds(_ position: UInt64, of events: borrowing RecentEvents) -> Bool { position + slots >= events.end }

    /// Lends the message of a new event.
    mutating func withMessage<R>(at position: UInt64, of events: borrowing RecentEvents, _ form: MessageForm, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        let index = ready(position, events, form)
        return messages[index].withUnsafeBytes(body)
    }

    /// Where the message lies, once it is made.
    private mutating func ready(_ position: UInt64, _ events: borrowing RecentEvents, _ form: MessageForm) -> Int {
        let index = Int(position % Self.slots) * MessageForm.count + form.index
        if positions[index] == position { return index }
        if let window = form.framing.window {
            let plain = ready(position, events, form.plain)
            deflate(plain, to: index, window)
        } else {
            messages[index].removeAll(keepingCapacity: true)
            events.write(at: position, form, to: &messages[index])
        }
        positions[index] = position
        count += 1
        return index
    }

    private mutating func deflate(_ plain: Int, to index: Int, _ window: Int) {
        let frame = messages[plain]
        let headerBytes = WebSocketFrame.serverHeaderBytes(of: frame.span.bytes)
        guard deflaters[window].deflate(frame.span.bytes.extracting(headerBytes...)) else {
            messages[index] = frame
            return
        }
        var message: [UInt8] = []
        swap(&message, &messages[index])
        message.removeAll(keepingCapacity: true)
        Message.append(.text, deflaters[window].message, isCompressed: true, to: &message)
        messages[index] = message
    }
}

extension RecentEvents {
    /// Appends the message of the event at a position, uncompressed; nothing when it is not kept.
    borrowing func write(at position: UInt64, _ form: MessageForm, to bytes: inout [UInt8]) {
        guard let entry = entry(at: position) else { return }
        withJSON(at: position) { form.write(entry.kind, entry.number, milliseconds: entry.milliseconds, json: $0, to: &bytes) }
    }
}
