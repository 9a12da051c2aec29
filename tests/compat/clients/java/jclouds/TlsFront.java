import java.io.FileInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;

/** A TLS front on loopback that passes every byte on, so that the Host header stays as it was signed. */
final class TlsFront {
    private static final char[] PASSWORD = "loopback".toCharArray();

    private TlsFront() {}

    /** Starts a front before an endpoint and returns its https address. */
    static String before(String endpoint) {
        try {
            URI behind = URI.create(endpoint);
            SSLServerSocket front = (SSLServerSocket) context()
                    .getServerSocketFactory()
                    .createServerSocket(0, 50, InetAddress.getLoopbackAddress());
            inBackground(() -> {
                while (true) {
                    Socket near = front.accept();
                    Socket far = new Socket(behind.getHost(), behind.getPort());
                    inBackground(() -> pass(near, far));
                    inBackground(() -> pass(far, near));
                }
            });
            return "https://127.0.0.1:" + front.getLocalPort();
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    private static SSLContext context() throws Exception {
        Path file = Files.createTempDirectory("front").resolve("key.p12");
        String words = "keytool -genkeypair -alias front -keyalg EC -dname CN=127.0.0.1 -validity 2 -storetype PKCS12"
                + " -storepass loopback -keystore " + file;
        new ProcessBuilder(words.split(" ")).inheritIO().start().waitFor();
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream in = new FileInputStream(file.toFile())) {
            store.load(in, PASSWORD);
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, PASSWORD);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        return context;
    }

    private static void pass(Socket from, Socket to) throws Exception {
        try (from;
                to) {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            byte[] part = new byte[65536];
            for (int size = in.read(part); size >= 0; size = in.read(part)) {
                out.write(part, 0, size);
            }
        }
    }

    private static void inBackground(Story.Play work) {
        Thread thread = new Thread(() -> {
            try {
                work.play();
            } catch (Exception ended) {
                // A connection that is closed from either side ends both ways.
            }
        });
        thread.setDaemon(true);
        thread.start();
    }
}
