package reference;

import java.io.File;
import java.util.List;
import shark.FilteringLeakingObjectFinder;
import shark.HeapAnalysis;
import shark.HeapAnalyzer;
import shark.HeapObject;
import shark.MetadataExtractor;
import shark.OnAnalysisProgressListener;

/** LeakCanary's analysis of a dump: it has to be told which objects leak, here those of the class that is named. */
final class Shark {
    private Shark() {
    }

    public static void main(String[] arguments) {
        String leaking = arguments[1];
        FilteringLeakingObjectFinder finder = new FilteringLeakingObjectFinder(List.of(
            object -> object instanceof HeapObject.HeapInstance instance && instance.getInstanceClassName().equals(leaking)));
        HeapAnalysis analysis = new HeapAnalyzer(OnAnalysisProgressListener.Companion.getNO_OP()).analyze(
            new File(arguments[0]), finder, List.of(), true, List.of(), MetadataExtractor.Companion.getNO_OP(), null);
        System.out.println(analysis);
    }
}
