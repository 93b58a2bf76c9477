// The messages of proto/truthtable/audit/v1/audit.proto as bytes. Fields that are not known are passed over, as proto3 has it.
// Leaves to others: whether what an engine says makes sense (`RemoteVerdict`).
import Auditing
import GRPC

enum AuditService {
    static let submit = "/truthtable.audit.v1.AuditService/SubmitAudit"
    static let getResult = "/truthtable.audit.v1.AuditService/GetAuditResult"

    /// SubmitAuditRequest.
    static func submitRequest(_ auditCase: AuditCase) -> [UInt8] {
        var message = ProtobufWriter()
        message.text(1, auditCase.requestID)
        message.text(2, auditCase.query)
        message.text(3, auditCase.answer)
        for document in auditCase.documents where !document.isOpaque { message.message(4, contextDocument(document)) }
        message.integer(5, contextState(auditCase.contextState))
        message.integer(6, auditCase.contextIsPartial ? 1 : 0)
        message.integer(7, auditCase.truncated ? 1 : 0)
        message.text(8, auditCase.model ?? "")
        return message.bytes
    }

    private static func contextDocument(_ document: ContextDocument) -> [UInt8] {
        var message = ProtobufWriter()
        message.text(1, document.id)
        message.text(2, document.content)
        message.text(3, document.source)
        for (name, value) in document.metadata.sorted(by: { $0.key < $1.key }) {
            var entry = ProtobufWriter()
            entry.text(1, name)
            entry.text(2, value)
            message.message(4, entry.bytes)
        }
        return message.bytes
    }

    private static func contextState(_ state: ContextState) -> UInt64 {
        switch state {
        case .found: 1
        case .empty: 2
        case .opaque: 3
        case .none: 4
        }
    }

    /// The audit_id of a SubmitAuditResponse.
    static func submittedID(_ bytes: [UInt8]) throws(ProtobufError) -> String {
        var id = ""
        var reader = ProtobufReader(bytes[...])
        while let field = try reader.next() { if field.number == 1 { id = try field.text() } }
        return id
    }

    /// GetAuditResultRequest.
    static func resultRequest(_ auditID: String) -> [UInt8] {
        var message = ProtobufWriter()
        message.text(1, auditID)
        return message.bytes
    }
}

/// GetAuditResultResponse.
struct RemoteAnswer: Equatable {
    enum Status: UInt64 { case unspecified, pending, processing, completed, failed }

    /// Nil for a number that is none of ours.
    var status: Status? = .unspecified
    var result = RemoteResult()
    var error = ""

    init(parsing bytes: [UInt8]) throws(ProtobufError) {
        var reader = ProtobufReader(bytes[...])
        while let field = try reader.next() {
            switch field.number {
            case 2: status = Status(rawValue: try field.integer())
            case 3: result = try RemoteResult(parsing: try field.message())
            case 4: error = try field.text()
            default: break
            }
        }
    }
}

/// AuditResult.
struct RemoteResult: Equatable {
    var trustScore: Double?
    var hallucinationRate: Double?
    var grade = ""
    var verdict = ""
    var claims: [RemoteClaim] = []
    /// Beyond the limit.
    var omittedClaims = 0
    var engine = ""
    var engineVersion = ""

    static let claimLimit = 500

    init() {}

    init(parsing bytes: ArraySlice<UInt8>) throws(ProtobufError) {
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 2: trustScore = try field.double()
            case 3: hallucinationRate = try field.double()
            case 4: grade = try field.text()
            case 5: verdict = try field.text()
            case 6:
                let claim = try RemoteClaim(parsing: try field.message())
                if claims.count < Self.claimLimit { claims.append(claim) } else { omittedClaims += 1 }
            case 8: engine = try field.text()
            case 9: engineVersion = try field.text()
            default: break
            }
        }
    }
}

/// Claim.
struct RemoteClaim: Equatable {
    var claim = ""
    var isSupported = false
    var confidence = 0.0
    var evidence: [RemoteEvidence] = []
    var reasoning = ""
    var verdict: UInt64 = 0
    var start: UInt64?
    var end: UInt64?
    var probability: Double?

    static let evidenceLimit = 16

    init(parsing bytes: ArraySlice<UInt8>) throws(ProtobufError) {
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: claim = try field.text()
            case 2: isSupported = try field.integer() != 0
            case 3: confidence = try field.double()
            case 4:
                let quote = try RemoteEvidence(parsing: try field.message())
                if evidence.count < Self.evidenceLimit { evidence.append(quote) }
            case 5: reasoning = try field.text()
            case 6: verdict = try field.integer()
            case 7: start = try field.integer()
            case 8: end = try field.integer()
            case 9: probability = try field.double()
            default: break
            }
        }
    }
}

/// Evidence.
struct RemoteEvidence: Equatable {
    var quote = ""
    var documentID = ""
    var start: UInt64?
    var end: UInt64?
    var source = ""
    var unmatched: [String] = []

    static let unmatchedLimit = 64

    init(parsing bytes: ArraySlice<UInt8>) throws(ProtobufError) {
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: quote = try field.text()
            case 2: documentID = try field.text()
            case 3: start = try field.integer()
            case 4: end = try field.integer()
            case 5: source = try field.text()
            case 6:
                let word = try field.text()
                if unmatched.count < Self.unmatchedLimit { unmatched.append(word) }
            default: break
            }
        }
    }
}
