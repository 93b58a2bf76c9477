// The words by which prompts mark their parts. English ones at least, and the question in some other languages; tags,
// rules and numbers work with any words.

enum Markers {
    /// Words that name what documents are.
    private static let contextWords: Set<String> = [
        "context", "contexts", "document", "documents", "docs", "doc", "passage", "passages", "source", "sources", "reference", "references",
        "chunk", "chunks", "knowledge", "background", "extract", "extracts", "excerpt", "excerpts", "snippet", "snippets", "article", "articles",
        "transcript", "evidence", "facts", "information", "text", "texts", "data", "results", "result", "material", "materials", "content",
        "email", "paragraph", "paragraphs", "table", "records", "quellen", "kontext", "dokumente", "contexte", "contexto", "documentos", "контекст", "документы",
    ]

    /// Words by which a label names anything but documents.
    private static let otherWords: Set<String> = [
        "rules", "rule", "instructions", "instruction", "steps", "guidelines", "format", "example", "examples", "question", "questions",
        "answer", "answers", "query", "task", "role", "output", "note", "notes", "schema", "persona", "style", "history", "conversation", "response",
        "requirements", "constraints", "goal", "input", "tools",
    ]

    private static let questionLabels: Set<String> = [
        "question", "query", "q", "user question", "user query", "user's question", "current question", "the question", "user", "human",
        "user input", "input", "the original query is as follows", "original question", "original query", "follow up question", "standalone question",
        "frage", "pregunta", "domanda", "pergunta", "вопрос", "vraag", "pytanie", "soru", "問題", "质问", "问题", "質問", "질문", "my question", "here is the question",
        "here is my question", "the user's question", "user request", "request", "the question is",
    ]

    private static let answerLabels: Set<String> = [
        "answer", "a", "helpful answer", "final answer", "refined answer", "response", "assistant", "your answer", "ai", "summary", "output",
        "antwort", "respuesta", "réponse", "risposta", "resposta", "ответ", "回答", "答案", "antwoord", "concise answer", "new answer", "answer in markdown", "bot",
    ]

    private static let instructionLabels: Set<String> = [
        "instruction", "instructions", "rules", "guidelines", "task", "note", "notes", "format", "output format", "requirements", "constraints",
        "important", "remember", "chat history", "conversation history", "history", "examples", "example",
    ]

    private static let instructionStarts = [
        "answer ", "given the ", "given this ", "using the ", "using only ", "use the ", "use only ", "based on ", "please ", "when answering", "if the ",
        "if you ", "respond ", "reply ", "you are ", "you must ", "do not ", "don't ", "provide ", "write ", "refine ", "now ", "cite ", "return ",
        "in your answer", "only use ", "always ", "never ", "remember ", "respond in ",
    ]

    /// Words of a label, split at anything that is no letter.
    static func words(_ bytes: [UInt8], _ range: Range<Int>) -> [String] {
        bytes[range.clamped(to: 0..<bytes.count)].split { !ASCII.isWord($0) && $0 != UInt8(ascii: "'") }
            .map { String(decoding: $0.map(ASCII.lowered), as: UTF8.self) }
    }

    static func isContextWord(_ word: String) -> Bool { contextWords.contains(word) }

    /// Whether words before a colon, or of a heading, announce documents: one of the last four names them, none names instructions.
    static func announcesContext(_ words: [String]) -> Bool {
        guard !words.isEmpty, words.count <= 30 else { return false }
        let last = words.suffix(4)
        return last.contains(where: contextWords.contains) && !last.contains(where: otherWords.contains)
    }

    static func mentionsContext(_ words: [String]) -> Bool { words.contains(where: contextWords.contains) }

    static func isQuestionLabel(_ label: String) -> Bool { questionLabels.contains(label) }
    static func isAnswerLabel(_ label: String) -> Bool { answerLabels.contains(label) }
    static func isInstructionLabel(_ label: String) -> Bool { instructionLabels.contains(label) }

    /// Whether a paragraph begins like an instruction to the model.
    static func startsInstruction(_ bytes: [UInt8], at offset: Int) -> Bool {
        instructionStarts.contains { bytes.has($0, at: offset) }
    }

    /// Parts of the names of tags that hold documents, and of tags that hold anything else.
    private static let contextTagParts = [
        "context", "doc", "source", "passage", "chunk", "result", "knowledge", "article", "text", "content", "data", "reference", "transcript",
        "email", "excerpt", "snippet", "information", "background", "evidence", "file", "page", "retriev", "record", "note", "material",
    ]
    private static let otherTagParts = [
        "instruct", "example", "query", "question", "format", "answer", "rule", "guideline", "metadata", "role", "task", "think", "history", "tool_use",
    ]

    static func isContextTag(_ name: String) -> Bool { !isOtherTag(name) && holds(name, contextTagParts) }

    static func isOtherTag(_ name: String) -> Bool { holds(name, otherTagParts) }

    /// In bytes: a text may have thousands of tags.
    private static func holds(_ name: String, _ parts: [String]) -> Bool {
        let bytes = Array(name.utf8)
        return parts.contains { bytes.first($0, in: bytes.indices) != nil }
    }

    static func isQuestionTag(_ name: String) -> Bool {
        ["user_query", "userquery", "query", "question", "user_question", "user-query", "user_input", "user-question"].contains(name)
    }

    /// Languages after a fence that mean data or prose, not a program.
    static func isProse(fenceInfo info: String) -> Bool {
        ["", "text", "txt", "plain", "plaintext", "markdown", "md", "csv", "tsv", "json", "xml", "yaml", "html", "document", "context", "email"].contains(info)
    }
}
