import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/** Leak: the threads of a pool keep what a request left in a ThreadLocal; one of them worked much more than the others. */
final class ThreadLocals {
    private static final ThreadLocal<RequestContext> CONTEXT = ThreadLocal.withInitial(RequestContext::new);
    private static final int AUDIT_BYTES = 1024;
    private static final int WORKERS = 4;

    private ThreadLocals() {
    }

    public static void main(String[] arguments) throws Exception {
        CountDownLatch worked = new CountDownLatch(WORKERS);
        long entries = Program.bytes(arguments) / AUDIT_BYTES;
        for (int i = 0; i < WORKERS; i++) {
            long mine = i == 2 ? entries : 10;
            Thread worker = new Thread(() -> work(mine, worked), "worker-" + i);
            worker.setDaemon(true);
            worker.start();
        }
        worked.await();
        Program.awaitDump();
    }

    private static void work(long entries, CountDownLatch worked) {
        for (int i = 0; i < entries; i++) {
            CONTEXT.get().audit.add(new byte[AUDIT_BYTES - 16]);
        }
        worked.countDown();
        try {
            Thread.sleep(Long.MAX_VALUE);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    static final class RequestContext {
        final List<byte[]> audit = new ArrayList<>();
    }
}
