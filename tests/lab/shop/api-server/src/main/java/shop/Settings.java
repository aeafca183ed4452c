package shop;

/** What the environment says. */
record Settings(String databaseUrl, String databaseUser, String databasePassword, int poolSize, int poolOverflow,
                int leakDetectionSeconds, String redisHost, boolean readOnly, String hoard,
                double hoardMegabytesPerSecond) {

    static Settings fromEnvironment() {
        return new Settings(
            "jdbc:postgresql://" + text("DB_HOST", "postgres") + "/" + text("DB_NAME", "shop")
                + "?ApplicationName=api-server",
            text("DB_USER", "shop"), text("DB_PASSWORD", ""),
            number("DB_POOL_SIZE", 10), number("DB_POOL_OVERFLOW", 0), number("DB_LEAK_DETECTION_SECONDS", 10),
            text("REDIS_HOST", "redis"), Boolean.parseBoolean(text("READ_ONLY_MODE", "false")),
            text("HOARD", ""), Double.parseDouble(text("HOARD_MIB_PER_SECOND", "1")));
    }

    int maximumPoolSize() {
        return poolSize + poolOverflow;
    }

    private static String text(String name, String fallback) {
        String value = System.getenv(name);
        return value == null || value.isBlank() ? fallback : value;
    }

    private static int number(String name, int fallback) {
        return Integer.parseInt(text(name, Integer.toString(fallback)));
    }
}
