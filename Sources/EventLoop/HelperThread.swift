// Threads for C calls that block (getaddrinfo, SQLite), beside a loop that never does. What a job does is its owner's.
import CLinux
import Glibc
import Synchronization

/// Threads that take jobs from a bounded queue and leave answers for the loop, which they wake. They begin with the first job
/// (a process of one thread has cheaper system calls) and never end. With one thread, answers come in the order of the jobs.
///
/// The loop registers `wakeupDescriptor` as readable and calls `takeAnswers` when it is.
package final class HelperThread<Job: Sendable, Answer: Sendable>: Sendable {
    private struct State {
        var jobs: [Job] = []
        var answers: [Answer] = []
        /// Jobs that were taken on and whose answers the loop has not fetched: both queues stay within the capacity.
        var outstanding = 0
        var areThreadsStarted = false
    }

    package let capacity: Int
    private let name: String
    private let threads: Int
    private let work: @Sendable (Job) -> Answer
    private let state = Mutex(State())
    private let wakeup: Wakeup
    /// Counts the jobs in the queue.
    private let waiting: Semaphore

    /// `work` runs on the threads, one call at a time on each; `name` is what `top -H` shows (15 bytes).
    package init(name: String, capacity: Int, threads: Int = 1, work: @escaping @Sendable (Job) -> Answer) throws(SystemError) {
        self.name = name
        self.capacity = capacity
        self.threads = threads
        self.work = work
        wakeup = try Wakeup()
        waiting = Semaphore()
    }

    /// False when not one could be started.
    private func startThreads() -> Bool {
        var started = 0
        for _ in 0..<threads {
            let isRunning = (try? startThread(name) {
                while true {
                    self.waiting.wait()
                    guard let job = self.state.withLock({ $0.jobs.isEmpty ? nil : $0.jobs.removeFirst() }) else { continue }
                    let answer = self.work(job)
                    self.state.withLock { $0.answers.append(answer) }
                    self.wakeup.signal()
                }
            }) != nil
            started += isRunning ? 1 : 0
        }
        return started > 0
    }

    /// Readable when answers wait.
    package var wakeupDescriptor: Int32 { wakeup.descriptor.number }

    /// Hands a job over; false, and nothing happens, when `capacity` jobs are not answered yet or there is no thread to be had:
    /// the caller counts that.
    package func submit(_ job: Job) -> Bool {
        let taken = state.withLock { state in
            if !state.areThreadsStarted { state.areThreadsStarted = startThreads() }
            guard state.areThreadsStarted, state.outstanding < capacity else { return false }
            state.outstanding += 1
            state.jobs.append(job)
            return true
        }
        if taken { waiting.post() }
        return taken
    }

    /// The answers since the last call.
    package func takeAnswers() -> [Answer] {
        wakeup.clear()
        return state.withLock { state in
            let answers = state.answers
            state.answers = []
            state.outstanding -= answers.count
            return answers
        }
    }
}

/// A counting semaphore of the operating system; lives as long as its process.
private struct Semaphore: @unchecked Sendable {
    private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        semaphore = .allocate(capacity: 1)
        semaphore.initialize(to: sem_t())
        sem_init(semaphore, 0, 0)
    }

    func post() { sem_post(semaphore) }

    /// May return early; the caller looks whether there is something to do.
    func wait() { sem_wait(semaphore) }
}
