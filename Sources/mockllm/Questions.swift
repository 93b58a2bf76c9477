// Questions with documents to answer them from, and the answers that the mock gives: mostly right, with a false claim or two,
// as a language model's are. Places, people and products are invented. Demo and tests know from here what an audit must find.

/// One question, its documents, and its answer sentence by sentence.
struct Question: Sendable {
    struct Document: Sendable {
        let title: String
        let text: String
    }

    struct Claim: Sendable {
        let text: String
        /// What is wrong with it; nil: the documents say so.
        let fault: Fault?

        enum Fault: String, Sendable {
            case wrongNumber = "wrong_number"
            case swappedName = "swapped_name"
            case invention
        }

        static func right(_ text: String) -> Claim { Claim(text: text, fault: nil) }
        static func wrong(_ fault: Fault, _ text: String) -> Claim { Claim(text: text, fault: fault) }
    }

    let name: String
    let question: String
    let documents: [Document]
    let claims: [Claim]

    var answer: String { claims.map(\.text).joined(separator: " ") }

    /// The system message of a retrieval-augmented prompt.
    var prompt: String {
        var text = "You are a careful assistant. Use the following context to answer the question. If the answer is not in the context, say so.\n\nContext:\n"
        for (index, document) in documents.enumerated() { text += "\n[\(index + 1)] \(document.title)\n\(document.text)\n" }
        return text
    }

    static let all = [footbridge, museum, warranty, clinic, sleeper]

    static let footbridge = Question(
        name: "footbridge",
        question: "How long is the Kestrel Footbridge in Marrowby, and who designed it?",
        documents: [
            Document(
                title: "Kestrel Footbridge",
                text: "The Kestrel Footbridge crosses the River Aune in Marrowby and was opened on 12 May 2009. It is a cable-stayed bridge of steel with a "
                    + "length of 148 metres and a deck that is 4 metres wide. The bridge was designed by the engineer Ilse Tornqvist."),
            Document(
                title: "Marrowby town chronicle, 2009",
                text: "Mayor Edwin Pascoe opened the new footbridge in front of some two thousand visitors. Building it had cost 3.2 million euros, "
                    + "of which the region paid half. Cyclists are asked to dismount on the bridge."),
        ],
        claims: [
            .right("The Kestrel Footbridge crosses the River Aune in Marrowby."),
            .wrong(.wrongNumber, "It is a cable-stayed bridge of steel with a length of 184 metres."),
            .wrong(.swappedName, "The bridge was designed by the engineer Edwin Pascoe."),
            .right("It was opened on 12 May 2009."),
            .right("Building it cost 3.2 million euros."),
        ])

    static let museum = Question(
        name: "museum",
        question: "When is the Clock Museum in Velden Harbour open and what does a ticket cost?",
        documents: [
            Document(
                title: "Visiting the Clock Museum",
                text: "The Clock Museum in Velden Harbour is open from Tuesday to Sunday between 10:00 and 17:00 and closed on Mondays. "
                    + "A ticket costs 9 euros for adults and 4 euros for students. Children under twelve enter free of charge."),
            Document(
                title: "About the collection",
                text: "The museum was founded in 1974 by the watchmaker Renata Okafor. Its collection holds 2,300 clocks, among them a tower clock "
                    + "of 1683 that still strikes every hour. The workshop on the ground floor can be visited on Saturdays."),
        ],
        claims: [
            .right("The Clock Museum in Velden Harbour is open from Tuesday to Sunday between 10:00 and 17:00."),
            .right("It is closed on Mondays."),
            .right("A ticket costs 9 euros for adults."),
            .wrong(.wrongNumber, "Students pay 6 euros for a ticket."),
            .wrong(.invention, "An audio guide in seven languages is included in every ticket."),
            .right("Children under twelve enter free of charge."),
        ])

    static let warranty = Question(
        name: "warranty",
        question: "What does the warranty of the Aurelia K3 kettle cover and for how long?",
        documents: [
            Document(
                title: "Aurelia K3: warranty terms",
                text: "The Aurelia K3 kettle comes with a warranty of 36 months from the date of purchase. The warranty covers the heating element, "
                    + "the switch and the base. Damage caused by limescale is not covered."),
            Document(
                title: "Aurelia customer service: making a claim",
                text: "To make a claim, customers need the receipt and the serial number, which is printed under the base. Repairs are finished "
                    + "within 10 working days. Customers pay for sending the kettle in; Aurelia pays for sending it back."),
        ],
        claims: [
            .wrong(.wrongNumber, "The Aurelia K3 kettle comes with a warranty of 24 months from the date of purchase."),
            .right("The warranty covers the heating element, the switch and the base."),
            .right("Damage caused by limescale is not covered."),
            .right("To make a claim, customers need the receipt and the serial number."),
            .right("Repairs are finished within 10 working days."),
        ])

    static let clinic = Question(
        name: "clinic",
        question: "What are the opening hours of the Lindenhof Clinic and who leads the children's ward?",
        documents: [
            Document(
                title: "Lindenhof Clinic: opening hours",
                text: "The Lindenhof Clinic is open from Monday to Thursday between 8:00 and 18:00 and on Fridays until 14:00. Vaccinations without "
                    + "an appointment are given on Wednesdays from 14:00 to 17:00. The clinic is closed at weekends."),
            Document(
                title: "Lindenhof Clinic: our doctors",
                text: "The children's ward is led by Dr. Amara Lindqvist, who joined the clinic in 2016. Dr. Tomas Reyes leads the department of "
                    + "cardiology. The clinic has 64 beds."),
        ],
        claims: [
            .right("The Lindenhof Clinic is open from Monday to Thursday between 8:00 and 18:00."),
            .right("On Fridays it is open until 14:00."),
            .right("Vaccinations without an appointment are given on Wednesdays from 14:00 to 17:00."),
            .wrong(.swappedName, "The children's ward is led by Dr. Tomas Reyes."),
            .right("The clinic has 64 beds."),
        ])

    /// All of its answer is right, so that a demo also shows a good one.
    static let sleeper = Question(
        name: "sleeper",
        question: "When does the Harrow Sleeper leave Ostrava Quay and how long does the journey take?",
        documents: [
            Document(
                title: "Harrow Sleeper timetable",
                text: "The Harrow Sleeper leaves Ostrava Quay every evening at 21:40 and arrives in Brennock at 7:25. The journey takes 9 hours and "
                    + "45 minutes. The train has six sleeping cars and a dining car."),
            Document(
                title: "Harrow Sleeper fares",
                text: "A bed in a shared compartment costs 59 euros, a single compartment 129 euros. Breakfast is included in every fare. "
                    + "Bicycles travel for 10 euros."),
        ],
        claims: [
            .right("The Harrow Sleeper leaves Ostrava Quay every evening at 21:40."),
            .right("It arrives in Brennock at 7:25."),
            .right("The journey takes 9 hours and 45 minutes."),
            .right("Breakfast is included in every fare."),
        ])
}
