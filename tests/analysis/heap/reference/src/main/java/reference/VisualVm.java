package reference;

import java.io.File;
import java.util.List;
import org.netbeans.lib.profiler.heap.Heap;
import org.netbeans.lib.profiler.heap.HeapFactory;
import org.netbeans.lib.profiler.heap.Instance;
import org.netbeans.lib.profiler.heap.JavaClass;

/**
 * What VisualVM's library finds in a dump, as lines of tab-separated values: {@code class NAME INSTANCES BYTES},
 * {@code retained ADDRESS CLASS BYTES NEAREST-ROOT} of the largest objects, largest first.
 */
final class VisualVm {
    private static final int LARGEST = 20;

    private VisualVm() {
    }

    public static void main(String[] arguments) throws Exception {
        Heap heap = HeapFactory.createHeap(new File(arguments[1]));
        @SuppressWarnings("unchecked")
        List<JavaClass> classes = heap.getAllClasses();
        for (JavaClass one : classes) {
            System.out.println(String.join("\t", "class", one.getName(), "" + one.getInstancesCount(), "" + one.getAllInstancesSize()));
        }
        if (arguments[0].equals("histogram")) {
            return;
        }
        @SuppressWarnings("unchecked")
        List<Instance> largest = heap.getBiggestObjectsByRetainedSize(LARGEST);
        for (Instance one : largest) {
            Instance root = one.getNearestGCRootPointer();
            System.out.println(String.join("\t", "retained", Long.toHexString(one.getInstanceId()), one.getJavaClass().getName(),
                "" + one.getRetainedSize(), root == null ? "" : root.getJavaClass().getName()));
        }
    }
}
