// Threads beside the loop: for blocking calls only.
import CLinux
import Glibc

/// Starts a detached thread; `name` (15 bytes) is what `top -H` shows. Signals of the process are left to the others.
package func startThread(_ name: String, _ body: @escaping @Sendable () -> Void) {
    final class Box {
        let name: String
        let body: @Sendable () -> Void
        init(_ name: String, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Box(name, body))
    // The new thread inherits the mask: all but what tells of a crash. A signal that the loop blocks later would else end
    // the process here.
    var quiet = sigset_t()
    var before = sigset_t()
    sigfillset(&quiet)
    for number in [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT, SIGSYS] { sigdelset(&quiet, number) }
    pthread_sigmask(SIG_SETMASK, &quiet, &before)
    let result = pthread_create(&thread, &attributes, { context in
        guard let context else { return nil }
        let box = Unmanaged<Box>.fromOpaque(context).takeRetainedValue()
        cl_set_process_name(box.name)
        box.body()
        return nil
    }, box.toOpaque())
    pthread_sigmask(SIG_SETMASK, &before, nil)
    if result != 0 { box.release() }
    pthread_attr_destroy(&attributes)
}
