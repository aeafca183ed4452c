import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Leak: work is submitted faster than one thread does it; the executor's queue has no bound. */
final class UnboundedQueue {
    private static final int MAIL_BYTES = 512;

    private UnboundedQueue() {
    }

    public static void main(String[] arguments) throws Exception {
        Mailer mailer = new Mailer();
        mailer.pool.submit(UnboundedQueue::hang);
        long mails = Program.bytes(arguments) / MAIL_BYTES;
        for (int i = 0; i < mails; i++) {
            mailer.pool.execute(new SendMail("mail to customer " + i));
        }
        Program.awaitDump();
        mailer.pool.shutdownNow();
    }

    private static void hang() {
        try {
            Thread.sleep(Long.MAX_VALUE);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    static final class Mailer {
        final ExecutorService pool = Executors.newFixedThreadPool(1, work -> {
            Thread thread = new Thread(work, "mailer");
            thread.setDaemon(true);
            return thread;
        });
    }

    record SendMail(String text, byte[] attachment) implements Runnable {
        SendMail(String text) {
            this(text, new byte[MAIL_BYTES - 150]);
        }

        @Override
        public void run() {
            System.err.println(text + attachment.length);
        }
    }
}
