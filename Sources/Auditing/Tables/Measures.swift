// Numbers as cells and claims give them, in units that can be compared: hours with minutes, kilometres with miles.

/// A number in the unit of its dimension.
struct Measure {
    enum Dimension: Equatable { case plain, percent, money(String), time, length, area, mass, volume, speed, data }

    var value: Double
    /// As it stands.
    var raw: Double
    var dimension: Dimension
    /// Stem of the unit as it stands, 0 without one.
    var unit: UInt32
    var range: Range<Int>
    /// Its first token and how many words it takes with its unit.
    var token: Int
    var bound: Quantity.Bound

    /// Whether one says what the other could say instead. A number without a unit takes that of the other.
    func isComparable(to other: Measure) -> Bool {
        if dimension == .plain, unit == 0, other.dimension != .percent { return true }
        guard dimension == other.dimension else { return false }
        return dimension != .plain || unit == other.unit || other.unit == 0
    }

    /// Whether a number fits this claim of it; nil where it is a matter of rounding.
    func admits(_ other: Measure) -> Bool? {
        if dimension == .plain { return admits(other.dimension == .plain ? other.value : other.raw, isConverted: false) }
        return admits(other.value, isConverted: other.unit != unit)
    }

    func admits(_ other: Double, isConverted: Bool) -> Bool? {
        let distance = abs(other - value) / max(abs(value), 1e-9)
        switch bound {
        case .atLeast: return other >= value * 0.999 ? true : distance > 0.02 ? false : nil
        case .atMost: return other <= value * 1.001 ? true : distance > 0.02 ? false : nil
        case .about: return distance <= 0.1 ? true : distance > 0.2 ? false : nil
        case .exact: return distance <= (isConverted ? 0.02 : 1e-6) ? true : distance > (isConverted ? 0.06 : 0.02) || (value == value.rounded() && abs(value) < 1000 && !isConverted) ? false : nil
        }
    }
}

/// What a word measures, and how much of its dimension's unit.
struct MeasureUnit {
    var dimension: Measure.Dimension
    var factor: Double
}

enum Measures {
    private static let units: [(Measure.Dimension, Double, String)] = [
        (.time, 0.001, "ms millisecond milliseconds"), (.time, 1, "second seconds sec secs"), (.time, 60, "minute minutes min mins"), (.time, 3600, "hour hours hr hrs h"), (.time, 86400, "day days"),
        (.time, 604_800, "week weeks"), (.time, 2_629_746, "month months"), (.time, 31_556_952, "year years yr yrs"), (.time, 315_569_520, "decade decades"),
        (.time, 3_155_695_200, "century centuries"), (.length, 1, "m metre metres meter meters"), (.length, 0.01, "cm centimetre centimetres centimeter centimeters"),
        (.length, 0.001, "mm millimetre millimetres millimeter millimeters"), (.length, 1000, "km kilometre kilometres kilometer kilometers"), (.length, 1609.344, "mi mile miles"),
        (.length, 0.3048, "ft foot feet"), (.length, 0.0254, "inch inches"), (.mass, 1, "kg kilogram kilograms"), (.mass, 0.001, "g gram grams"), (.mass, 1e-6, "mg milligram milligrams"), (.mass, 1e-9, "mcg µg microgram micrograms"),
        (.mass, 1000, "t tonne tonnes"), (.mass, 0.453_592_37, "lb lbs pound pounds"), (.area, 1, "m² m2"), (.area, 1e6, "km² km2"), (.area, 1e4, "ha hectare hectares"),
        (.area, 4046.856, "acre acres"), (.volume, 1, "l litre litres liter liters"), (.volume, 0.001, "ml millilitre millilitres milliliter milliliters"),
        (.speed, 1, "kph kmh"), (.speed, 1.609_344, "mph"), (.data, 1e3, "kb kilobyte kilobytes"), (.data, 1e6, "mb megabyte megabytes"),
        (.data, 1e9, "gb gigabyte gigabytes"), (.data, 1e12, "tb terabyte terabytes"),
    ]
    private static let table: HashTable = {
        var table = HashTable(capacity: 200)
        for (number, unit) in units.enumerated() { for word in unit.2.split(separator: " ") { table.set(Tokenizer.hash(word.utf8), Int32(number)) } }
        return table
    }()

    /// What a word measures, and how much of it.
    static func unit(_ token: Token) -> MeasureUnit? { unit(token.exact) }

    private static func unit(_ word: UInt32) -> MeasureUnit? {
        let number = table[word]
        return number < 0 ? nil : MeasureUnit(dimension: units[Int(number)].0, factor: units[Int(number)].1)
    }

    private static let daily = Tokenizer.forms("business working calendar full consecutive whole")
    private static let square = Tokenizer.forms("square sq")
    private static let per = Tokenizer.hash("per".utf8)
    private static let perHour = Tokenizer.forms("h hour")

    /// What the word at a place measures, with those after it: `square miles`, `working days`, `km/h`, `kilometres per hour`; and where it ends.
    static func unit(_ bytes: [UInt8], _ tokens: [Token], _ place: Int) -> (unit: MeasureUnit, end: Int)? {
        if square.contains(tokens[place].exact) {
            guard place + 1 < tokens.count, let side = unit(tokens[place + 1]), side.dimension == .length else { return nil }
            return (MeasureUnit(dimension: .area, factor: side.factor * side.factor), tokens[place + 1].range.upperBound)
        }
        if daily.contains(tokens[place].exact), place + 1 < tokens.count, let unit = unit(tokens[place + 1]), unit.dimension == .time { return (unit, tokens[place + 1].range.upperBound) }
        guard let unit = unit(tokens[place]) else { return nil }
        let end = tokens[place].range.upperBound
        guard unit.dimension == .length, place + 1 < tokens.count else { return (unit, end) }
        let next = tokens[place + 1]
        let between = bytes.text(bytes.trimmed(span(end, next.range.lowerBound)))
        if let exponent = exponent(bytes, tokens, after: place) {
            let factor = unit.factor * unit.factor
            return (exponent == 2 ? MeasureUnit(dimension: .area, factor: factor) : MeasureUnit(dimension: .volume, factor: factor * unit.factor * 1000), next.range.upperBound)
        }
        let hour = between == "/" ? place + 1 : place + 2
        guard hour < tokens.count, perHour.contains(tokens[hour].exact), between == "/" || next.exact == per else { return (unit, end) }
        return (MeasureUnit(dimension: .speed, factor: unit.factor / 1000), tokens[hour].range.upperBound)
    }

    /// Of an area, `316 km 2`, or a volume.
    private static func exponent(_ bytes: [UInt8], _ tokens: [Token], after place: Int) -> Int? {
        guard place + 1 < tokens.count, tokens[place + 1].range.count <= 2, tokens[place + 1].range.lowerBound - tokens[place].range.upperBound <= 1 else { return nil }
        return switch bytes.text(tokens[place + 1].range) {
        case "2", "²": 2
        case "3", "³": 3
        default: nil
        }
    }

    /// Of `400mg` and `1.2km`; a lone `m` may be of millions.
    static func unit(attachedTo token: Token, _ bytes: [UInt8]) -> (unit: MeasureUnit, end: Int)? {
        let letters = bytes[token.range].reversed().prefix(while: ASCII.isLetter).reversed().map(ASCII.lowered)
        guard !letters.isEmpty, letters != [UInt8(ascii: "m")], let unit = unit(Tokenizer.hash(letters)) else { return nil }
        return (unit, token.range.upperBound)
    }

    /// What a header says of the numbers under it: `Height (m)`, `Share (%)`, `Revenue ($ million)`.
    struct Scale {
        var dimension = Measure.Dimension.plain
        var factor = 1.0
        var unit: UInt32 = 0
        /// Numbers under it are no years.
        var isUnit: Bool { dimension != .plain || factor != 1 }

        init(header: Range<Int>, in text: [UInt8], _ tokens: [Token]) {
            let words = text.lowercased(header)
            if tokens.count > 1, let last = tokens.last, let measured = Measures.unit(last) { (dimension, factor, unit) = (measured.dimension, measured.factor, last.exact) }
            if words.contains("%") || words.contains("percent") { dimension = .percent }
            for sign in ["$", "€", "£"] where words.contains(sign) || (sign == "$" && words.contains("usd")) || (sign == "€" && words.contains("eur")) {
                dimension = .money(sign)
                (factor, unit) = (words.hasSuffix(sign + "m)") ? 1e6 : words.hasSuffix(sign + "bn)") ? 1e9 : 1, 0)
            }
            for (word, scale) in [("thousand", 1e3), ("million", 1e6), ("billion", 1e9)] where words.contains(word) { factor = scale }
        }

        /// A number under the header.
        func of(_ measure: Measure) -> Measure {
            guard measure.dimension == .plain, measure.unit == 0 else { return measure }
            var scaled = measure
            scaled.value *= factor
            scaled.dimension = dimension
            scaled.unit = unit
            return scaled
        }
    }

    /// Seconds of a unit of time, by its word's hash.
    static func seconds(_ unit: UInt32) -> Double? {
        let number = table[unit]
        return number >= 0 && units[Int(number)].0 == .time ? units[Int(number)].1 : nil
    }

    /// The numbers of a text that are no dates, in order.
    static func all(in bytes: [UInt8], _ tokens: [Token], _ quantities: [Quantity]) -> [Measure] {
        quantities.compactMap { quantity in
            guard quantity.kind != .month else { return nil }
            var measure = Measure(value: quantity.value, raw: quantity.value, dimension: .plain, unit: quantity.unit, range: quantity.range, token: quantity.token, bound: quantity.bound)
            switch quantity.kind {
            case .percent: measure.dimension = .percent
            case .money(let sign): measure.dimension = .money(sign)
            // Of an hour or a minute.
            case .clock: measure.dimension = .time
            default:
                guard let place = tokens.indices.first(where: { $0 > quantity.token && tokens[$0].range.lowerBound >= quantity.range.upperBound }) else { break }
                // `42 : 32`, of an hour or a minute.
                let between = bytes.text(bytes.trimmed(span(quantity.range.upperBound, tokens[place].range.lowerBound)))
                if between == ":", tokens[place].isNumber, tokens[place].range.count == 2, let seconds = Double(bytes.text(tokens[place].range)), seconds < 60 {
                    measure.value = quantity.value * 60 + seconds
                    measure.dimension = .time
                    measure.range = quantity.range.lowerBound..<tokens[place].range.upperBound
                } else if let unit = unit(tokens[place]), between.isEmpty || between == "-" {
                    guard exponent(bytes, tokens, after: place) == nil else { return nil }
                    measure.value *= unit.factor
                    measure.dimension = unit.dimension
                    measure.unit = tokens[place].exact
                    measure.range = measure.range.lowerBound..<tokens[place].range.upperBound
                }
            }
            return measure
        }
    }
}
