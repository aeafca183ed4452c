import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** No leak: reference data in many places, each of modest size, caches with a bound, and nothing that grows. */
final class Healthy {
    private static final int TABLES = 12;
    private static final int ROW_BYTES = 110;
    private static int rows;

    private Healthy() {
    }

    public static void main(String[] arguments) throws Exception {
        rows = (int) (Program.bytes(arguments) / TABLES / ROW_BYTES);
        System.err.println(Prices.ROWS.size() + Taxes.ROWS.size() + Customers.ROWS.size() + Articles.ROWS.size() + Rates.ROWS.size()
            + Routes.ROWS.size() + Stock.ROWS.size() + Regions.ROWS.size() + Suppliers.ROWS.size() + Discounts.ROWS.size()
            + Recent.ROWS.size() + Texts.ROWS.size());
        Program.awaitDump();
    }

    private static Map<Integer, String> filled(Map<Integer, String> table, String what) {
        for (int i = 0; i < rows; i++) {
            table.put(i, what + " " + i);
        }
        return table;
    }

    private static List<double[]> numbers() {
        List<double[]> list = new ArrayList<>();
        for (int i = 0; i < rows; i++) {
            list.add(new double[10]);
        }
        return list;
    }

    private static List<String> lines(String what) {
        return new ArrayList<>(filled(new HashMap<>(), what).values());
    }

    static final class Prices {
        static final Map<Integer, String> ROWS = filled(new HashMap<>(), "price");
    }

    static final class Taxes {
        static final List<double[]> ROWS = numbers();
    }

    static final class Customers {
        static final Map<Integer, String> ROWS = filled(new TreeMap<>(), "customer");
    }

    static final class Articles {
        static final Map<Integer, String> ROWS = filled(new LinkedHashMap<>(), "article");
    }

    static final class Rates {
        static final List<double[]> ROWS = numbers();
    }

    static final class Routes {
        static final List<String> ROWS = lines("a route from one town to another, number");
    }

    static final class Stock {
        static final Map<Integer, String> ROWS = filled(new HashMap<>(), "in stock");
    }

    static final class Regions {
        static final List<String> ROWS = lines("a region with a name that is not short, number");
    }

    static final class Suppliers {
        static final Map<Integer, String> ROWS = filled(new TreeMap<>(), "supplier");
    }

    static final class Discounts {
        static final List<double[]> ROWS = numbers();
    }

    static final class Recent {
        static final Map<Integer, String> ROWS = filled(new LinkedHashMap<>() {
            @Override
            protected boolean removeEldestEntry(Map.Entry<Integer, String> eldest) {
                return size() > 1000;
            }
        }, "looked at");
    }

    static final class Texts {
        static final List<String> ROWS = lines("a text that customers see, in the language they chose, number");
    }
}
