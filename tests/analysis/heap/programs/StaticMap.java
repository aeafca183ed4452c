import java.util.HashMap;
import java.util.Map;

/** Leak: a static map that remembers every session and forgets none. */
final class StaticMap {
    private static final int SESSION_BYTES = 150;

    private StaticMap() {
    }

    public static void main(String[] arguments) throws Exception {
        long sessions = Program.bytes(arguments) / SESSION_BYTES;
        for (int i = 0; i < sessions; i++) {
            SessionCache.remember("session-" + i);
        }
        Program.awaitDump();
    }

    static final class SessionCache {
        private static final Map<String, Session> SESSIONS = new HashMap<>();

        private SessionCache() {
        }

        static void remember(String id) {
            SESSIONS.put(id, new Session(id.hashCode()));
        }
    }

    static final class Session {
        final long user;
        private final long[] seen = new long[2];

        Session(long user) {
            this.user = user;
        }
    }
}
