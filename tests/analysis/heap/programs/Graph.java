import java.util.Random;

/** For measuring: as many objects of one size as fit, referring to each other at random, or each to its own only (a tree). */
final class Graph {
    private static final int NODE_BYTES = 32;
    private static Node[] nodes;

    private Graph() {
    }

    public static void main(String[] arguments) throws Exception {
        nodes = new Node[(int) (Program.bytes(arguments) / NODE_BYTES)];
        for (int i = 0; i < nodes.length; i++) {
            nodes[i] = new Node();
        }
        boolean random = arguments[1].equals("random");
        Random dice = new Random(1);
        for (int i = 0; i < nodes.length; i++) {
            nodes[i].first = random ? nodes[dice.nextInt(nodes.length)] : childOrNone(3 * i + 1);
            nodes[i].second = random ? nodes[dice.nextInt(nodes.length)] : childOrNone(3 * i + 2);
            nodes[i].third = random ? nodes[dice.nextInt(nodes.length)] : childOrNone(3 * i + 3);
        }
        // Reached through few nodes, or the array would dominate every node and both graphs were the same.
        nodes = new Node[] {nodes[0], nodes[1], nodes[2]};
        Program.awaitDump();
    }

    private static Node childOrNone(int child) {
        return child < nodes.length ? nodes[child] : null;
    }

    static final class Node {
        long value;
        Node first;
        Node second;
        Node third;
    }
}
