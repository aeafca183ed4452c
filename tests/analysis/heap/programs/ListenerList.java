import java.util.ArrayList;
import java.util.List;

/** Leak: every view subscribes to a bus and none unsubscribes; the bus hangs on a service, not on a static field of its own. */
final class ListenerList {
    private static final int ROWS_BYTES = 4096;

    private ListenerList() {
    }

    public static void main(String[] arguments) throws Exception {
        Service service = new Service();
        long views = Program.bytes(arguments) / ROWS_BYTES;
        for (int i = 0; i < views; i++) {
            new View(service.bus);
        }
        Program.awaitDump();
        System.err.println(service.bus.listeners.size());
    }

    static final class Service {
        final EventBus bus = new EventBus();
    }

    static final class EventBus {
        final List<Runnable> listeners = new ArrayList<>();
    }

    static final class View {
        private final byte[] rows = new byte[ROWS_BYTES - 100];

        View(EventBus bus) {
            bus.listeners.add(() -> rows[0]++);
        }
    }
}
