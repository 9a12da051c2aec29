import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Objects;

/** Prints one line a capability, as the laboratory reads them, and undoes at the end. */
public final class Story {
    public static final String ENDPOINT = System.getenv("AWS_ENDPOINT_URL");
    public static final String ACCESS_KEY = System.getenv("AWS_ACCESS_KEY_ID");
    public static final String SECRET_KEY = System.getenv("AWS_SECRET_ACCESS_KEY");
    public static final String REGION = System.getenv("AWS_DEFAULT_REGION");
    public static final String IMAGE = System.getenv("EC2BRIDGE_COMPAT_IMAGE");
    public static final String ZONE = System.getenv("EC2BRIDGE_COMPAT_ZONE");
    public static final String TYPE = System.getenv().getOrDefault("EC2BRIDGE_COMPAT_TYPE", "t2.micro");
    public static final String NAME =
            "compat-" + ProcessHandle.current().pid() + "-" + System.currentTimeMillis() / 1000;

    private static final Deque<Play> undo = new ArrayDeque<>();
    private static boolean failed = false;

    private Story() {}

    /** A part of the story. */
    public interface Play {
        void play() throws Exception;
    }

    /** A look at what is awaited. */
    public interface Look {
        Object look() throws Exception;
    }

    public static void step(String name, Play part) {
        try {
            part.play();
            System.out.println("ok " + name);
        } catch (Exception | AssertionError wrong) {
            failed = true;
            wrong.printStackTrace();
            System.out.println("not ok " + name + " - " + wrong.toString().replaceAll("\\s+", " "));
        }
    }

    public static void check(boolean holds, Object seen) {
        if (!holds) {
            throw new AssertionError("seen: " + seen);
        }
    }

    public static void same(Object wanted, Object seen) {
        check(Objects.equals(wanted, seen), seen + " in place of " + wanted);
    }

    public static void until(Object wanted, Look look) throws Exception {
        long deadline = System.currentTimeMillis() + 300_000;
        for (Object seen = look.look(); !Objects.equals(seen, wanted); seen = look.look()) {
            check(System.currentTimeMillis() < deadline, seen + " after five minutes");
            Thread.sleep(300);
        }
    }

    public static void later(Play call) {
        undo.push(call);
    }

    /** Undoes, the last first, and ends with the exit code. */
    public static void finish() {
        for (Play call : undo) {
            try {
                call.play();
            } catch (Exception wrong) {
                System.err.println("clean-up: " + wrong.getMessage());
            }
        }
        System.exit(failed ? 1 : 0);
    }
}
