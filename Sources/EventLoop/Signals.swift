// Signals and wake-ups as readinesses.
import CLinux
import Glibc

/// Signals of the process, read in the loop instead of interrupting it.
package struct Signals: ~Copyable {
    package let descriptor: Descriptor

    /// Blocks `numbers` for this thread and those it starts, and collects them here.
    package init(_ numbers: [Int32]) throws(SystemError) {
        descriptor = Descriptor(owning: try checked("signalfd", cl_signal_descriptor(numbers, Int32(numbers.count))))
    }

    /// The next signal, nil when all are read.
    package func next() -> Int32? {
        let number = cl_signal_read(descriptor.number)
        return number == 0 ? nil : number
    }
}

/// Wakes a loop from another thread.
package struct Wakeup: ~Copyable, Sendable {
    package let descriptor: Descriptor

    package init() throws(SystemError) {
        descriptor = Descriptor(owning: try checked("eventfd", cl_wakeup_descriptor()))
    }

    /// May be called on any thread.
    package func signal() { cl_wakeup_signal(descriptor.number) }

    /// Called by the loop before it looks at what the other thread left.
    package func clear() { cl_wakeup_clear(descriptor.number) }
}
