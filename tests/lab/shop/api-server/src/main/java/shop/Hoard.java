package shop;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.zip.Deflater;

/** What a bad release does: it takes memory outside the heap, a little every second, and gives none back. */
final class Hoard {
    private static final List<Object> KEPT = new ArrayList<>();
    private static final int TOUCHED_FRAMES = 2000;
    /** How many of each make about a megabyte. */
    private static final Map<String, Integer> IN_A_MEGABYTE = Map.of("direct", 1, "classes", 40, "threads", 4, "native", 4);

    private Hoard() {
    }

    /** Begin, where the environment says so. */
    static void begin(String what, double megabytesPerSecond) {
        if (what.isEmpty()) {
            return;
        }
        long pause = (long) (1e6 / (megabytesPerSecond * IN_A_MEGABYTE.get(what)));
        Executors.newSingleThreadScheduledExecutor().scheduleAtFixedRate(() -> take(what), pause, pause, TimeUnit.MICROSECONDS);
    }

    private static void take(String what) {
        switch (what) {
            case "direct" -> KEPT.add(ByteBuffer.allocateDirect(1 << 20));
            case "classes" -> KEPT.add(new Loader().again(Orders.class));
            case "threads" -> new Thread(() -> sleepBelow(TOUCHED_FRAMES)).start();
            default -> KEPT.add(used(new Deflater()));
        }
    }

    /** A stack takes memory only where it was used. */
    private static long sleepBelow(int frames) {
        if (frames > 0) {
            return sleepBelow(frames - 1) + frames;
        }
        try {
            Thread.sleep(Long.MAX_VALUE);
        } catch (InterruptedException end) {
            Thread.currentThread().interrupt();
        }
        return 0;
    }

    private static Deflater used(Deflater deflater) {
        deflater.setInput(new byte[1 << 16]);
        deflater.deflate(new byte[1 << 10]);
        return deflater;
    }

    /** A class loader of its own for one class, as scripting engines and proxies make them. */
    private static final class Loader extends ClassLoader {
        Class<?> again(Class<?> known) {
            try (InputStream source = known.getResourceAsStream(known.getSimpleName() + ".class")) {
                byte[] code = source.readAllBytes();
                return defineClass(known.getName(), code, 0, code.length);
            } catch (IOException error) {
                throw new IllegalStateException(error);
            }
        }
    }
}
