// How a call ended, and how the many ways of not ending well are told in gRPC's codes (grpc/doc/PROTOCOL-HTTP2.md,
// grpc/doc/http-grpc-status-mapping.md, grpc/doc/statuscodes.md).

package enum RPCCode: Int, Sendable {
    case ok, cancelled, unknown, invalidArgument, deadlineExceeded, notFound, alreadyExists, permissionDenied, resourceExhausted
    case failedPrecondition, aborted, outOfRange, unimplemented, `internal`, unavailable, dataLoss, unauthenticated

    /// As in the specification.
    package var name: String {
        switch self {
        case .ok: "OK"
        case .cancelled: "CANCELLED"
        case .unknown: "UNKNOWN"
        case .invalidArgument: "INVALID_ARGUMENT"
        case .deadlineExceeded: "DEADLINE_EXCEEDED"
        case .notFound: "NOT_FOUND"
        case .alreadyExists: "ALREADY_EXISTS"
        case .permissionDenied: "PERMISSION_DENIED"
        case .resourceExhausted: "RESOURCE_EXHAUSTED"
        case .failedPrecondition: "FAILED_PRECONDITION"
        case .aborted: "ABORTED"
        case .outOfRange: "OUT_OF_RANGE"
        case .unimplemented: "UNIMPLEMENTED"
        case .internal: "INTERNAL"
        case .unavailable: "UNAVAILABLE"
        case .dataLoss: "DATA_LOSS"
        case .unauthenticated: "UNAUTHENTICATED"
        }
    }

    /// For answers that are HTTP and nothing more: some proxy stands between.
    init(httpStatus: Int) {
        switch httpStatus {
        case 400: self = .internal
        case 401: self = .unauthenticated
        case 403: self = .permissionDenied
        case 404: self = .unimplemented
        case 429, 502, 503, 504: self = .unavailable
        default: self = .unknown
        }
    }

    /// For streams that were reset; the codes are those of RFC 9113 §7.
    init(resetCode: UInt32) {
        switch resetCode {
        case 0x7: self = .unavailable  // REFUSED_STREAM
        case 0x8: self = .cancelled  // CANCEL
        case 0xB: self = .resourceExhausted  // ENHANCE_YOUR_CALM
        case 0xC: self = .permissionDenied  // INADEQUATE_SECURITY
        default: self = .internal
        }
    }
}

/// Why a call has no answer.
package struct RPCStatus: Error, Equatable, Sendable, CustomStringConvertible {
    package let code: RPCCode
    /// For people; may be empty.
    package let message: String
    /// Names of the messages in `grpc-status-details-bin`, `google.rpc.RetryInfo` and the like.
    package let details: [String]

    package init(_ code: RPCCode, _ message: String, details: [String] = []) {
        self.code = code
        self.message = message
        self.details = details
    }

    package var description: String {
        code.name + (message.isEmpty ? "" : ": " + message) + (details.isEmpty ? "" : " (" + details.joined(separator: ", ") + ")")
    }
}

/// Values of gRPC's fields.
enum RPCFields {
    /// Percent-decoded; what is no proper escape stays as it is (PROTOCOL-HTTP2.md: decoders must not fail).
    static func message(_ value: [UInt8]) -> String {
        var bytes: [UInt8] = []
        var rest = value[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2, let high = hexValue(rest[rest.startIndex]), let low = hexValue(rest[rest.startIndex + 1]) {
                bytes.append(high << 4 | low)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// At most 8 digits and a unit; the shortest that is not less than asked for.
    static func timeout(milliseconds: Int64) -> String {
        let milliseconds = max(1, milliseconds)
        return milliseconds < 100_000_000 ? "\(milliseconds)m" : "\(min(milliseconds / 1000 + 1, 99_999_999))S"
    }

    /// The types of the details in a `google.rpc.Status`, which comes as Base64 with or without padding. At most eight.
    static func detailTypes(_ value: [UInt8]) -> [String] {
        guard let bytes = base64(value) else { return [] }
        var types: [String] = []
        var status = ProtobufReader(bytes[...])
        while types.count < 8, let field = try? status.next() {
            guard field.number == 3, let detail = try? field.message() else { continue }
            var any = ProtobufReader(detail)
            while let member = try? any.next() {
                guard member.number == 1, let url = try? member.text() else { continue }
                types.append(String(url.split(separator: "/").last ?? ""))
            }
        }
        return types
    }

    static func base64(_ text: [UInt8]) -> [UInt8]? {
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for byte in text.prefix(while: { $0 != UInt8(ascii: "=") }) {
            let value: UInt8
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = byte - UInt8(ascii: "A")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = byte - UInt8(ascii: "a") + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = byte - UInt8(ascii: "0") + 52
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            default: return nil
            }
            bits = bits << 6 | UInt32(value)
            count += 6
            guard count >= 8 else { continue }
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
        return bytes
    }

    private static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
