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
