// What headers and keys speak of, so that "grossed" finds the field `Box office`: words that stand for one another where records are
// read. Only for finding fields: for running text the lexicon is better.

enum FieldNames {
    /// Words of one line have one topic; a word may have several.
    private static let lines = [
        "title name",
        "born birth birthday birthdate foaled",
        "died death dead deceased passed dies",
        "released release releases publish published publication premiere premiered debut debuted issued launched launch aired",
        "recorded recording recordings",
        "founded founder founders established establishment formed formation foundation created creation started incorporated introduced introduction invented inception",
        "built build construction constructed completed completion erected opened opening",
        "painted painting year created made date",
        "active career performing performed perform performs",
        "running runtime run runs length long longer shorter duration lasts lasted last playing",
        "budget cost costs expensive",
        "box gross grossed grosses earned earnings earns revenue",
        "spouse spouses married husband husbands wife wives marriage marriages partner partners",
        "children child kids kid",
        "starring stars starred actors cast",
        "directed director directors direct",
        "produced producer producers",
        "architect architects designer designers designed design",
        "owner owners owned owns",
        "manager managers managed manages head heads headed leader leads led",
        "written writer writers wrote screenplay author authors",
        "genre genres style styles",
        "label labels",
        "member members",
        "occupation occupations job jobs profession professions",
        "population people inhabitants residents populous",
        "height tall taller tallest high higher highest elevation altitude low lower lowest short shorter shortest",
        "length long longer longest short shorter shortest",
        "language languages",
        "country countries nation nations",
        "award awards",
        "employees workers staff",
        "price cost expensive cheap cheaper cheapest dearest",
        "weight mass heavy heavier heaviest light lighter lightest",
        "depth deep deeper deepest shallow shallower shallowest",
        "width wide wider widest narrow narrower narrowest",
        "speed fast faster fastest slow slower slowest",
        "area large larger largest small smaller smallest big bigger biggest",
        "year date built opened founded established completed born old older oldest new newer newest young younger youngest early earlier earliest late later latest recent first",
        "burial buried",
        "coronation crowned",
        "reign reigned ruled rule",
        "wedding wed",
        "location located",
        "instrument instruments",
        "relative relatives",
        "parent parents",
    ]
    // Topics of the first lines.
    static let name: UInt64 = 1
    static let born: UInt64 = 1 << 1
    static let died: UInt64 = 1 << 2

    private static let table: (numbers: HashTable, topics: [UInt64]) = {
        var numbers = HashTable(capacity: 400)
        var topics: [UInt64] = []
        for (topic, line) in lines.enumerated() {
            for word in line.split(separator: " ") {
                let stem = Tokenizer.stem(of: String(word))
                if numbers[stem] < 0 {
                    numbers.set(stem, Int32(topics.count))
                    topics.append(0)
                }
                topics[Int(numbers[stem])] |= 1 << UInt64(topic)
            }
        }
        return (numbers, topics)
    }()

    static func topics(of stem: UInt32) -> UInt64 {
        let number = table.numbers[stem]
        return number < 0 ? 0 : table.topics[Int(number)]
    }
}
