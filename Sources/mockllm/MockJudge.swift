// The mock as a judge: what TruthTable's judge engine asks, answered by a rule that a test can foretell. The sentence of the documents
// that shares most words with a claim decides: all of them there, it is supported; numbers missing, contradicted; else unsupported.
import JSON

enum MockJudge {
    /// Nil when the question is none for a judge.
    static func answer(to question: String) -> String? {
        guard question.utf8.first == UInt8(ascii: "{"), let material = try? JSONValue(parsing: Array(question.utf8).span),
            let claims = material["claims"]?.array, let documents = material["documents"]?.array
        else { return nil }
        let passages = documents.flatMap { document in sentences(of: document["text"]?.string ?? "").map { (number: document["number"]?.int ?? 0, text: $0) } }
        var json = JSONWriter()
        json.beginObject()
        json.name("claims")
        json.beginArray()
        for claim in claims {
            let wanted = words(of: claim["claim"]?.string ?? "")
            let best = passages.max { wanted.intersection(words(of: $0.text)).count < wanted.intersection(words(of: $1.text)).count }
            let missing = wanted.subtracting(best.map { words(of: $0.text) } ?? []).sorted()
            let number = missing.first { $0.utf8.first.map { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 } ?? false }
            json.beginObject()
            json.member("id", claim["id"]?.int ?? 0)
            json.member("verdict", missing.isEmpty ? "supported" : number != nil ? "contradicted" : "unsupported")
            json.member("confidence", 0.9)
            json.name("document")
            if let best { json.int(best.number) } else { json.null() }
            json.name("quote")
            if let best { json.string(best.text) } else { json.null() }
            json.member("reasoning", missing.isEmpty ? "The mock finds every word." : "The mock misses: \(missing.joined(separator: ", ")).")
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return String(decoding: json.bytes, as: UTF8.self)
    }

    private static func sentences(of text: String) -> [String] {
        var sentences: [String] = []
        var start = text.startIndex
        for index in text.indices where text[index] == "." {
            let next = text.index(after: index)
            guard next == text.endIndex || text[next] == " " || text[next] == "\n" else { continue }
            sentences.append(String(text[start..<next].drop { $0 == " " || $0 == "\n" }))
            start = next
        }
        if start < text.endIndex { sentences.append(String(text[start...].drop { $0 == " " || $0 == "\n" })) }
        return sentences.filter { !$0.isEmpty }
    }

    /// Numbers, and words of four letters and more, in lower case.
    private static func words(of text: String) -> Set<String> {
        let parts = text.lowercased().split { !($0.isLetter || $0.isNumber) }
        return Set(parts.filter { $0.count > 3 || $0.first?.isNumber ?? false }.map(String.init))
    }
}
