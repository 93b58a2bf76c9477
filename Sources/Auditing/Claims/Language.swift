// In which language a text is, as far as it matters for comparing: by its script, and among Latin letters by words that every
// text of a language has. Texts of different languages share names and numbers only; that says nothing of their claims.

/// A language, or a script whose languages are not told apart.
enum Language: Int, CaseIterable {
    case english, german, french, spanish, italian, portuguese, dutch
    /// Of Latin letters, with too few common words to say more.
    case latin
    case chinese, japanese, korean, cyrillic, greek, arabic, hebrew, devanagari, thai

    private var isLatin: Bool { rawValue <= Self.latin.rawValue }

    /// As a reader knows it.
    var name: String {
        switch self {
        case .latin: "another language"
        case .cyrillic: "Cyrillic letters"
        case .greek: "Greek letters"
        case .arabic: "Arabic letters"
        case .hebrew: "Hebrew letters"
        case .devanagari: "Devanagari"
        case .thai: "Thai"
        case .english, .german, .french, .spanish, .italian, .portuguese, .dutch, .chinese, .japanese, .korean: "\(self)".prefix(1).uppercased() + "\(self)".dropFirst()
        }
    }

    /// Whether equal words of the two mean the same.
    func isComparable(to other: Language) -> Bool { self == other || (self == .latin && other.isLatin) || (other == .latin && isLatin) }

    /// Denials, opposites and names by their capitals are those of English; a short text counts as such.
    var readsAsEnglish: Bool { self == .english || self == .latin }

    // MARK: Telling

    /// What is looked at of a text.
    static let sampleBytes = 1024
    private static let sampleWords = 80
    /// A language is told by two words that others do not have, or more that others have too; each counts once.
    private static let votesNeeded = 8
    /// In running text one word in six is a common one, at least; in records and lists of names it is chance.
    private static let wordsPerCommonWord = 6

    /// nil for texts without words.
    static func of(_ text: [UInt8]) -> Language? {
        var scripts = [Int](repeating: 0, count: allCases.count)
        var votes = [Int](repeating: 0, count: Self.latin.rawValue)
        var occurrences = votes
        var isNew = [Bool](repeating: true, count: commonWords.languages.count)
        var words = 0
        var kana = 0
        var scanner = TokenScanner(text, 0..<min(text.count, sampleBytes))
        while words < sampleWords, let token = scanner.next() {
            guard !token.isNumber else { continue }
            words += 1
            let lead = text[token.range.lowerBound]
            let second = token.range.count > 1 ? text[token.range.lowerBound + 1] : 0
            let script = script(lead, second)
            scripts[script.rawValue] += 1
            if script == .japanese { kana += 1 }
            guard script == .latin else { continue }
            let number = Int(commonWords.numbers[token.exact])
            guard number >= 0 else { continue }
            let languages = commonWords.languages[number]
            let vote = isNew[number] ? max(1, 4 / languages.nonzeroBitCount) : 0
            for language in votes.indices where languages >> UInt8(language) & 1 == 1 {
                occurrences[language] += 1
                votes[language] += vote
            }
            isNew[number] = false
        }
        guard words > 0 else { return nil }
        // Japanese is written with both.
        if kana * 8 >= kana + scripts[Self.chinese.rawValue], kana > 0 {
            scripts[Self.japanese.rawValue] += scripts[Self.chinese.rawValue]
            scripts[Self.chinese.rawValue] = 0
        }
        guard let most = allCases.max(by: { scripts[$0.rawValue] < scripts[$1.rawValue] }) else { return nil }
        guard most == .latin, let best = votes.indices.max(by: { votes[$0] < votes[$1] }) else { return most }
        let next = votes.indices.reduce(0) { $1 == best ? $0 : max($0, votes[$1]) }
        let isRunningText = occurrences[best] * wordsPerCommonWord >= scripts[Self.latin.rawValue]
        guard isRunningText, votes[best] >= votesNeeded, votes[best] * 2 >= next * 3, let language = Language(rawValue: best) else { return .latin }
        return language
    }

    private static func script(_ lead: UInt8, _ second: UInt8) -> Language {
        switch lead {
        case 0xCD...0xCF: .greek
        case 0xD0...0xD4: .cyrillic
        case 0xD6...0xD7: .hebrew
        case 0xD8...0xDB: .arabic
        case 0xE0 where second == 0xA4 || second == 0xA5: .devanagari
        case 0xE0 where second == 0xB8 || second == 0xB9: .thai
        case 0xE3 where second < 0x84: .japanese
        case 0xE3...0xE9, 0xF0: .chinese
        case 0xEA...0xED: .korean
        default: .latin
        }
    }

    /// Words without accents, each with a bit for every language that it is common in.
    private static let commonWords: (numbers: HashTable, languages: [UInt8]) = {
        let lists: [(Language, String)] = [
            (.english,
                """
                the of and to in is was that it for with are by from this which were has have be as on at an a or their they he she his her not but who can been will its you i
                do does did so no me my we us our one two into over about than then when there what how if all any some more most other such only out up after before
                """),
            (.german,
                """
                der die das und ist war ein eine einer einem einen des den dem von zu mit auf im in nicht sich auch als nach bei aus wurde werden hat sie er es fur ich aber
                oder durch uber am zum zur an um wie wird sind so noch nur kann
                """),
            (.french,
                """
                le la les des du de un une et est etait dans par pour sur avec au aux qui que ne pas en il elle ce cette sont ont ete se sa son ses plus mais ou nous vous
                l'a d'un d'une c'est a on n'est qu'il
                """),
            (.spanish, "el la los las de del un una y es fue en que por para con se su sus al lo como mas no son esta este entre desde pero o ha han era a muy tiene me"),
            (.italian, "il lo la gli le di del della dei delle un una e che in per con su da non si sono nel nella al alla dal dalla come ha era anche piu ma o a i ed"),
            (.portuguese, "o a os as de do da dos das um uma e foi em no na nos nas que por para com se ao mais nao sao como seu sua pelo pela mas ou tem era me"),
            (.dutch, "de het een en van is was in op te dat met voor zijn niet die aan door naar bij ook als uit maar werd wordt heeft er om of deze over hij zij ik we me"),
        ]
        var numbers = HashTable(capacity: 500)
        var languages: [UInt8] = []
        for (language, words) in lists {
            for word in words.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
                let form = Tokenizer.hash(word.utf8)
                if numbers[form] < 0 {
                    numbers.set(form, Int32(languages.count))
                    languages.append(0)
                }
                languages[Int(numbers[form])] |= 1 << UInt8(language.rawValue)
            }
        }
        return (numbers, languages)
    }()
}
