/** What ClassLoaders deploys: its static field is there once per class loader. */
public final class DeployedApplication {
    private static long[][] prices;

    public DeployedApplication(int bytes) {
        prices = new long[bytes / 1024][126];
    }
}
