/** What the programs share: a size in MiB as the first argument, and waiting to be dumped until standard input ends. */
final class Program {
    static final int MEGABYTE = 1 << 20;

    private Program() {
    }

    static long bytes(String[] arguments) {
        return Long.parseLong(arguments[0]) * MEGABYTE;
    }

    static void awaitDump() throws Exception {
        System.gc();
        System.out.println("ready");
        while (System.in.read() >= 0) {
            // The one who dumps closes the stream.
        }
    }
}
