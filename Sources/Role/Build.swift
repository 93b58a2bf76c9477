// Which build this is. Processes of different builds never talk to each other.
import Configuration
import IPC
import Telemetry

package enum Build {
    package static let version = "0.1.0"

    /// The version and a digest (FNV-1a) of all that processes must agree on: the numbers of messages, the settings.
    /// (That they count alike is checked by the scoreboard itself.)
    package static let identity: String = {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        func add(_ text: String) {
            for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        }
        for type in MessageType.allCases { add("\(type)=\(type.rawValue);") }
        for setting in SettingsTable.all { add("\(setting.name);") }
        return "\(version)+\(String(hash, radix: 16))"
    }()
}
