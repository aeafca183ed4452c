import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;

/** Leak: an application that was deployed again and again; a registry outside keeps one object of each deployment. */
final class ClassLoaders {
    private static final int DEPLOYMENTS = 20;

    private ClassLoaders() {
    }

    public static void main(String[] arguments) throws Exception {
        int each = (int) (Program.bytes(arguments) / DEPLOYMENTS);
        for (int i = 0; i < DEPLOYMENTS; i++) {
            Class<?> application = new DeploymentLoader().loadClass("DeployedApplication");
            Registry.DRIVERS.add(application.getConstructor(int.class).newInstance(each));
        }
        Program.awaitDump();
    }

    static final class Registry {
        static final List<Object> DRIVERS = new ArrayList<>();

        private Registry() {
        }
    }

    /** Loads the application's class itself instead of asking its parent first. */
    static final class DeploymentLoader extends ClassLoader {
        DeploymentLoader() {
            super(ClassLoaders.class.getClassLoader());
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            if (!name.equals("DeployedApplication")) {
                return super.loadClass(name, resolve);
            }
            try (InputStream source = getParent().getResourceAsStream(name + ".class")) {
                byte[] code = source.readAllBytes();
                return defineClass(name, code, 0, code.length);
            } catch (java.io.IOException failure) {
                throw new ClassNotFoundException(name, failure);
            }
        }
    }
}
