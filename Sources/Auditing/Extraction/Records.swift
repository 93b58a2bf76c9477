// Documents out of JSON: fields such as `documents`, records that a tool returned, citations in an answer.

import JSON

enum Records {
    private static let contentNames = [
        "content", "text", "page_content", "pageContent", "document_content", "snippet", "passage", "chunk", "body", "chunk_text", "excerpt", "document",
        "description", "raw_content", "summary", "value",
    ]
    private static let sourceNames = [
        "source", "filepath", "file_path", "filename", "file_name", "path", "url", "uri", "link", "document_name", "title", "name",
    ]
    private static let idNames = ["id", "doc_id", "document_id", "docid", "file_id", "_id", "chunk_id", "uuid", "key"]
    private static let listNames = [
        "documents", "results", "docs", "hits", "items", "chunks", "passages", "matches", "records", "sources", "citations", "data", "rows", "output", "result",
        "search_results", "retrieved_documents", "contexts", "nodes", "source_nodes", "value", "content",
    ]
    private static let depthLimit = 8
    /// Members of a record that may name it or hold its text.
    private static let memberLimit = 100

    /// The documents that a value holds: a text is one, an array has one per element, an object is a document or wraps a list of them.
    static func documents(in value: JSONValue, origin: ContextDocument.Origin, depth: Int = 0) -> [ContextDocument] {
        guard depth < depthLimit else { return [] }
        switch value {
        case .string(let text):
            return isBlank(text) ? [] : [ContextDocument(content: text, origin: origin)]
        case .array(let elements):
            var result: [ContextDocument] = []
            for element in elements {
                guard result.count < ContextExtractor.documentLimit + 1 else { break }
                result += documents(in: element, origin: origin, depth: depth + 1)
            }
            return result
        case .object(let members):
            return document(of: members, origin: origin, depth: depth)
        case .null, .bool: return []
        case .number(let literal): return depth == 0 ? [] : [ContextDocument(content: literal, origin: origin)]
        }
    }

    private static func document(of record: [JSONValue.Member], origin: ContextDocument.Origin, depth: Int) -> [ContextDocument] {
        let members = Array(record.prefix(memberLimit))
        let value = JSONValue.object(members)
        guard !members.isEmpty, !isError(members) else { return [] }
        var document = ContextDocument(content: "", origin: origin)
        describe(&document, with: members)
        if let name = contentNames.first(where: { value[$0]?.string.map { !isBlank($0) } ?? false }), let text = value[name]?.string {
            document.content = text
            document.metadata[name] = nil
            if document.source == text { document.source = "" }
            return [document]
        }
        for name in listNames {  // a wrapper around documents, or around the fields of one
            guard let inner = value[name], inner.array != nil || inner.members != nil else { continue }
            var found = documents(in: inner, origin: origin, depth: depth + 1)
            if found.count == 1, inner.members != nil || isTextParts(inner) {
                if found[0].id.isEmpty { found[0].id = document.id }
                if found[0].source.isEmpty { found[0].source = document.source }
                found[0].metadata.merge(document.metadata) { own, _ in own }
            }
            return found
        }
        if let inner = value["data"] ?? value["result"], let text = inner.string, !isBlank(text) {
            document.content = text
            return [document]
        }
        // No member is known to hold the text: the only one that reads like prose, otherwise the record as it stands.
        let prose = members.filter { $0.value.string.map(isProse) ?? false }
        if prose.count == 1, let text = prose.first?.value.string {
            document.content = text
            if document.source == text { document.source = "" }
            return [document]
        }
        var writer = JSONWriter()
        writer.value(.object(record))
        document.content = String(decoding: writer.bytes, as: UTF8.self)
        return [document]
    }

    private static func describe(_ document: inout ContextDocument, with members: [JSONValue.Member]) {
        let object = JSONValue.object(members)
        let metadata = object["metadata"] ?? object["meta"]
        document.id = idNames.lazy.compactMap { scalar(object[$0]) ?? scalar(metadata?[$0]) }.first ?? ""
        document.source = sourceNames.lazy.compactMap { scalar(object[$0]) }.first { !$0.isEmpty } ?? ""
        if let named = sourceNames.prefix(9).lazy.compactMap({ scalar(metadata?[$0]) }).first, object["source"]?.string == nil { document.source = named }
        for member in members.prefix(32) + (metadata?.members ?? []).prefix(32) {
            guard let text = scalar(member.value), text.utf8.count <= 500 else { continue }
            guard !idNames.contains(member.name), member.name != "source" else { continue }
            document.metadata[member.name] = text
        }
    }

    private static func isTextParts(_ value: JSONValue) -> Bool { value.array?.allSatisfy { $0["type"]?.string == "text" } ?? false }

    private static func scalar(_ value: JSONValue?) -> String? {
        switch value {
        case .string(let text): text
        case .number(let literal): literal
        case .bool(let flag): flag ? "true" : "false"
        default: nil
        }
    }

    /// What a tool reports instead of a result.
    private static func isError(_ members: [JSONValue.Member]) -> Bool {
        members.contains { ["error", "errors", "exception", "error_message"].contains($0.name) && $0.value != .null && $0.value != .bool(false) }
            && !members.contains { contentNames.contains($0.name) || $0.name == "results" || $0.name == "documents" }
    }

    private static func isBlank(_ text: String) -> Bool { text.utf8.allSatisfy(ASCII.isSpace) }

    /// Four words and more.
    private static func isProse(_ text: String) -> Bool { text.utf8.lazy.filter { $0 == 0x20 }.prefix(3).count == 3 }
}
