// Why bytes were refused, and the status that answers it. The codec is strict because two readers that disagree on one
// byte of a head are how requests are smuggled (RFC 9112 §11.2).
// Leaves to others: the answer's text, logging, and whether the connection ends (it must: the next head cannot be
// found).

package enum HTTPError: Error, Equatable, Sendable {
    // Limits.
    case headTooLarge
    case tooManyFields
    case targetTooLong

    // Start lines, RFC 9112 §3 and §4.
    case badRequestLine
    case badMethod
    case badTarget
    /// CONNECT is a tunnel, which this product does not offer.
    case connectUnsupported
    /// A major version other than 1; HTTP/0.9 has none and is a `badRequestLine`.
    case unsupportedVersion
    case badStatusLine

    // Lines, RFC 9112 §2.2 and §5.
    case bareLineFeed
    case bareCarriageReturn
    case controlByte
    case obsoleteFold
    case spaceBeforeColon
    case badFieldName

    // Host, RFC 9112 §3.2.
    case missingHost
    case duplicateHost
    case badHost

    // Framing, RFC 9112 §6 and §7.
    case badContentLength
    case duplicateContentLength
    case contentLengthWithTransferEncoding
    case unsupportedTransferCoding
    case transferEncodingInHTTP10
    case badChunkSize
    case chunkLineTooLong
    case badChunkEnd
    case trailersTooLarge

    // Connection and Expect, RFC 9110 §7.6.1 and §10.1.1.
    case badConnection
    case framingFieldNominated
    case unsupportedExpectation

    /// Answers a client whose request was refused.
    package var requestStatus: UInt16 {
        switch self {
        case .headTooLarge, .tooManyFields, .trailersTooLarge: 431
        case .targetTooLong: 414
        case .connectUnsupported, .unsupportedTransferCoding: 501
        case .unsupportedVersion: 505
        case .unsupportedExpectation: 417
        default: 400
        }
    }

    /// Answers a client whose upstream sent bytes that were refused.
    package static let responseStatus: UInt16 = 502
}

extension HTTPError: CustomStringConvertible {
    /// What is wrong, for whoever sent it.
    package var description: String {
        switch self {
        case .headTooLarge: "the head is larger than TRUTHTABLE_MAX_HEAD_BYTES"
        case .tooManyFields: "there are more header fields than TRUTHTABLE_MAX_HEADER_FIELDS"
        case .targetTooLong: "the target is longer than TRUTHTABLE_MAX_TARGET_BYTES"
        case .badRequestLine: "the request line is not METHOD TARGET HTTP/1.1"
        case .badMethod: "the method is no token"
        case .badTarget: "the target has a form or a byte that is not allowed: percent-encode it"
        case .connectUnsupported: "CONNECT is not supported"
        case .unsupportedVersion: "the version is not HTTP/1.x"
        case .badStatusLine: "the status line is malformed"
        case .bareLineFeed: "a line ends with LF alone, not CR LF"
        case .bareCarriageReturn: "a CR is not followed by LF"
        case .controlByte: "a field value holds a control byte"
        case .obsoleteFold: "a field goes on in the next line (obsolete folding)"
        case .spaceBeforeColon: "there is white space before a field's colon"
        case .badFieldName: "a field name is no token"
        case .missingHost: "the Host field is missing"
        case .duplicateHost: "there is more than one Host field"
        case .badHost: "the Host field is malformed"
        case .badContentLength: "Content-Length is no number"
        case .duplicateContentLength: "there is more than one Content-Length"
        case .contentLengthWithTransferEncoding: "there are both Content-Length and Transfer-Encoding"
        case .unsupportedTransferCoding: "a transfer coding other than chunked is not supported"
        case .transferEncodingInHTTP10: "HTTP/1.0 has no Transfer-Encoding"
        case .badChunkSize: "a chunk's size is malformed"
        case .chunkLineTooLong: "a chunk's size line is longer than TRUTHTABLE_MAX_CHUNK_LINE"
        case .badChunkEnd: "a chunk does not end where its size says"
        case .trailersTooLarge: "the trailers are over TRUTHTABLE_MAX_TRAILERS"
        case .badConnection: "the Connection field is malformed"
        case .framingFieldNominated: "the Connection field names a field that frames the message"
        case .unsupportedExpectation: "an expectation other than 100-continue is not supported"
        }
    }
}
