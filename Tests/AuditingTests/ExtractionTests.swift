// Documents and questions in the forms that prompts use.

import Foundation
import JSON
import Testing

@testable import Auditing

private func extract(system: String? = nil, user: String) -> AuditCase? {
    let first = system.map { #"{"role":"system","content":\#(quoted($0))},"# } ?? ""
    return auditCase(exchange(#"{"messages":[\#(first){"role":"user","content":\#(quoted(user))}]}"#, #"{"answer":"Yes"}"#))
}

struct ExtractionTests {
    struct Row: Sendable {
        var name: String
        var system: String?
        var user: String
        var query: String
        var documents: [String]
    }

    static let rows = [
        Row(name: "label", user: "Context:\nThe lamp is red.\n\nThe door is blue.\n\nQuestion: Which colour?\nAnswer:", query: "Which colour?", documents: ["The lamp is red.", "The door is blue."]),
        Row(name: "label on the line", user: "Context: The lamp is red.\nQuestion: Which colour?", query: "Which colour?", documents: ["The lamp is red."]),
        Row(name: "question first", user: "Question: Which colour?\nContext: The lamp is red.\nAnswer:", query: "Which colour?", documents: ["The lamp is red."]),
        Row(name: "system message", system: "Use the context.\n\nDocuments:\nThe lamp is red.", user: "Which colour?", query: "Which colour?", documents: ["The lamp is red."]),
        Row(name: "tags", user: "<documents><document index=\"1\"><source>a.txt</source><document_content>The lamp is red.</document_content></document></documents>\nWhich colour?", query: "Which colour?", documents: ["The lamp is red."]),
        Row(name: "numbers", user: "Sources:\n[1] The lamp is red.\n[2] The door is blue.\n\nQuestion: Which colour?", query: "Which colour?", documents: ["The lamp is red.", "The door is blue."]),
        Row(name: "rules", system: "Use the pieces of context below.\n----------\nThe lamp is red.\n----------\nBe brief.", user: "Which colour?", query: "Which colour?", documents: ["The lamp is red."]),
        Row(name: "fence", user: "Here is the text:\n```\nThe lamp is red.\n```\nWhich colour?", query: "Which colour?", documents: ["The lamp is red."]),
        Row(name: "heading", system: "# Role\nGuide.\n\n## Context\nThe lamp is red.\n\n## Rules\nBe brief.", user: "Which colour?", query: "Which colour?", documents: ["The lamp is red."]),
        Row(name: "nothing", system: "Use the context if there is any.", user: "Which colour?", query: "Which colour?", documents: []),
        Row(name: "code", user: "What does this print?\n```swift\nprint(1)\n```", query: "What does this print?\n```swift\nprint(1)\n```", documents: []),
    ]

    @Test(arguments: rows) func `documents and questions are found`(_ row: Row) {
        let found = extract(system: row.system, user: row.user)
        #expect(found?.query == row.query, "\(row.name)")
        #expect(found?.documents.map(\.content) == row.documents, "\(row.name)")
        #expect(found?.contextState == (row.documents.isEmpty ? ContextState.none : .found), "\(row.name)")
        // Offsets lead to the text.
        for document in found?.documents ?? [] {
            let text = Array((document.messageIndex == 0 ? row.system ?? row.user : row.user).utf8)
            let start = document.offset ?? 0
            #expect(text.count >= start + document.content.utf8.count && text[start...].starts(with: document.content.utf8), "\(row.name)")
        }
    }

    @Test func `states without readable documents are told apart`() {
        #expect(extract(system: "Use the context.\n<context>\n</context>", user: "Which?")?.contextState == .empty)
        #expect(auditCase(exchange(#"{"query":"q","documents":[]}"#, #"{"answer":"Yes"}"#))?.contextState == .empty)
        let image = #"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:"}},{"type":"text","text":"What?"}]}]}"#
        #expect(auditCase(exchange(image, #"{"answer":"Yes"}"#))?.contextState == .opaque)
    }

    @Test func `fields keep ids, sources and metadata`() {
        let request = #"{"query":"q","context_documents":[{"id":"r","content":"The lamp is red.","source":"a.pdf","metadata":{"page":2}},"The door is blue."]}"#
        let found = auditCase(exchange(request, #"{"answer":"Yes"}"#))
        #expect(found?.documents.map(\.id) == ["r", "doc-2"])
        #expect(found?.documents.first?.source == "a.pdf")
        #expect(found?.documents.first?.metadata["page"] == "2")
        #expect(found?.documents.last?.content == "The door is blue.")
    }

    /// Measures the examples of prompts that are not part of this repository.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["TRUTHTABLE_DATA"] != nil)) func `examples of prompts in use`() throws {
        let folder = ProcessInfo.processInfo.environment["TRUTHTABLE_DATA"] ?? ""
        let lines = try String(contentsOfFile: folder + "/rag-prompts.jsonl", encoding: .utf8).split(separator: "\n")
        var failures: [String] = []
        for line in lines {
            let row = try JSONValue(parsing: Array(line.utf8).span)
            var request = JSONWriter()
            request.value(row["request"] ?? .null)
            var response = JSONWriter()
            response.value(row["response"] ?? .object([.init(name: "answer", value: .string("Yes"))]))
            let capture = CapturedExchange(requestID: "r", path: row["path"]?.string ?? "", requestBody: request.bytes, responseBody: response.bytes)
            let found = auditCase(capture)
            var problems: [String] = []
            if found?.query != row["query"]?.string { problems.append("query \(found?.query ?? "nil")") }
            let wanted = row["documents"]?.array ?? []
            let documents = found?.documents ?? []
            if wanted.count != documents.count { problems.append("\(documents.count) documents for \(wanted.count): \(documents.map(\.content))") }
            for (want, document) in zip(wanted, documents) {
                if want["content"]?.string?.trimmingCharacters(in: .whitespacesAndNewlines) != document.content.trimmingCharacters(in: .whitespacesAndNewlines) {
                    problems.append("content \(document.content)")
                }
                if let id = want["id"]?.string, id != document.id { problems.append("id \(document.id) for \(id)") }
                if let source = want["source"]?.string, source != document.source { problems.append("source \(document.source) for \(source)") }
                if want["opaque"] == .bool(true), !document.isOpaque { problems.append("not opaque") }
                if (want["turn"]?.string == "earlier") != document.isEarlierTurn { problems.append("turn") }
            }
            if !problems.isEmpty { failures.append("\(row["id"]?.string ?? ""): \(problems.joined(separator: "; "))") }
        }
        print("prompts: \(lines.count - failures.count) of \(lines.count)")
        for failure in failures { print("  " + failure) }
    }
}
