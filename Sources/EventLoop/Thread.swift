// Threads beside the loop, for blocking calls only, and who has the core.
import CLinux
import Glibc

/// Starts a detached thread (`name`, 15 bytes, is what `top -H` shows) on which no signal of the process is delivered: those belong to the loop (`Signals`), whichever of the
/// two was made first. Faults of the thread itself still end the process as usual.
package func startThread(_ name: String, _ run: @escaping @Sendable () -> Void) throws(SystemError) {
    var blocked = sigset_t()
    var before = sigset_t()
    sigfillset(&blocked)
    for fault in [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV] { sigdelset(&blocked, fault) }
    pthread_sigmask(SIG_BLOCK, &blocked, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }

    let body = Unmanaged.passRetained(ThreadBody(name: name, run: run))
    var thread = pthread_t()
    let code = pthread_create(
        &thread, nil,
        { raw in
            guard let raw else { return nil }
            let body = Unmanaged<ThreadBody>.fromOpaque(raw).takeRetainedValue()
            cl_set_process_name(body.name)
            body.run()
            return nil
        }, body.toOpaque())
    guard code == 0 else {
        body.release()
        throw SystemError("pthread_create", code: code)
    }
    pthread_detach(thread)
}

/// Lets whoever waits for this core have it; returns at once if nobody does. For work in steps beside processes that are to come first: a Linux
/// scheduler with eligibility (EEVDF) takes the core from a process when another wakes only if that one is the best choice at that moment. If yet
/// another is, which may be one that has just gone to sleep, both wait for the next tick, up to 4 ms.
package func yieldCore() { sched_yield() }

/// What a thread runs, in a form that passes through C.
private final class ThreadBody: Sendable {
    let name: String
    let run: @Sendable () -> Void

    init(name: String, run: @escaping @Sendable () -> Void) {
        self.name = name
        self.run = run
    }
}
