// Plays a declarative Jenkinsfile where there is no Jenkins: jenkinsfile.groovy WORKSPACE ARCHIVE NAME=VALUE…
//
// The words are parameters of the build. Sections and steps do here what they do in Jenkins (commands are run, reports
// are read, artifacts are copied to ARCHIVE), and one that is not defined below ends the build: nothing is passed over.
// The one credential is named by CREDENTIALS_ID in the environment, and CREDENTIALS_USERNAME and CREDENTIALS_PASSWORD are what
// it holds; commands see neither, but inside withCredentials. It ends as a build's log does, with `Finished: RESULT`.

import java.nio.file.FileSystems
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.StandardCopyOption
import java.util.concurrent.TimeUnit
import javax.xml.parsers.DocumentBuilderFactory

/** What a build knows, and how it stands. */
class Build {
    Path workspace
    Path archive
    Map<String, String> given
    Map<String, Object> params = [:]
    Map<String, String> bound = [:]
    long deadline = Long.MAX_VALUE
    String result = 'SUCCESS'

    /** Says a line as Jenkins does: what a credential holds is not shown. */
    void say(Object line) {
        println(bound.values().inject(line.toString()) { text, secret -> text.replace(secret, '****') })
    }

    /** The files of the workspace that a pattern matches. */
    List<Path> files(String pattern) {
        def matcher = FileSystems.default.getPathMatcher("glob:$pattern")
        Files.walk(workspace).withCloseable { all ->
            all.filter { Files.isRegularFile(it) && matcher.matches(workspace.relativize(it)) }.sorted().toList()
        }
    }
}

/** Braces of a Jenkinsfile: what stands in them means what the class of the braces defines, or nothing. */
abstract class Braces {
    protected final Build build

    Braces(Build build) { this.build = build }

    static Object play(Braces braces, Closure written) {
        written.delegate = braces
        written.resolveStrategy = Closure.DELEGATE_ONLY
        written()
    }

    /** Ends the build at a named argument that the step would pass over. */
    static void takes(Map arguments, String... names) {
        def unknown = arguments.keySet() - names.toList()
        if (unknown) { throw new IllegalArgumentException("not played here: ${unknown.join(', ')} in $arguments") }
    }
}

class Pipeline extends Braces {
    private Closure stages
    private Closure post

    Pipeline(Build build) { super(build) }

    String getAny() { 'any' }

    void agent(String which) { build.say("Running on this machine in $build.workspace") }

    void options(Closure written) { play(new Options(build), written) }

    void parameters(Closure written) { play(new Parameters(build), written) }

    void stages(Closure written) { stages = written }

    void post(Closure written) { post = written }

    /** Runs the stages and then, however they ended, what comes after. */
    void run() {
        def unknown = build.given.keySet() - build.params.keySet()
        if (unknown) { throw new IllegalArgumentException("no such parameter: ${unknown.join(', ')}") }
        attempt { play(new Stages(build), stages) }
        if (post) { attempt { play(new Post(build), post) } }
    }

    private void attempt(Closure part) {
        try {
            part()
        } catch (Exception error) {
            build.say("ERROR: $error.message")
            build.result = 'FAILURE'
        }
    }
}

class Options extends Braces {
    Options(Build build) { super(build) }

    void timeout(Map arguments) {
        takes(arguments, 'time', 'unit')
        build.deadline = System.currentTimeMillis() + TimeUnit.valueOf(arguments.unit).toMillis(arguments.time)
    }

    /** How many builds Jenkins keeps; here each has an archive of its own. */
    void buildDiscarder(Map rotator) { build.say("Builds that are kept: $rotator.numToKeepStr") }

    Map logRotator(Map arguments) {
        takes(arguments, 'numToKeepStr')
        arguments
    }
}

class Parameters extends Braces {
    Parameters(Build build) { super(build) }

    void string(Map arguments) {
        takes(arguments, 'name', 'defaultValue', 'description')
        build.params[arguments.name] = build.given.getOrDefault(arguments.name, arguments.defaultValue)
    }

    void booleanParam(Map arguments) {
        takes(arguments, 'name', 'defaultValue', 'description')
        build.params[arguments.name] = build.given.getOrDefault(arguments.name, "$arguments.defaultValue") == 'true'
    }
}

class Stages extends Braces {
    Stages(Build build) { super(build) }

    void stage(String name, Closure written) {
        build.say("Stage: $name")
        play(new Stage(build), written)
    }
}

class Stage extends Braces {
    Stage(Build build) { super(build) }

    void steps(Closure written) { play(new Steps(build), written) }
}

class Post extends Braces {
    Post(Build build) { super(build) }

    void always(Closure written) { play(new Steps(build), written) }
}

class Steps extends Braces {
    Steps(Build build) { super(build) }

    Map getParams() { build.params }

    void script(Closure written) { play(this, written) }

    void sh(CharSequence command) {
        def builder = new ProcessBuilder('sh', '-xec', command.toString()).directory(build.workspace.toFile())
        def environment = builder.redirectErrorStream(true).environment()
        environment.keySet().removeIf { it.startsWith('CREDENTIALS_') }
        build.params.each { name, value -> environment[name] = value.toString() }
        environment.putAll(build.bound)
        def process = builder.start()
        process.outputStream.close()
        Thread.startDaemon {
            if (!process.waitFor(build.deadline - System.currentTimeMillis(), TimeUnit.MILLISECONDS)) {
                build.say('Timeout has been exceeded')
                process.descendants().forEach { it.destroy() }
                process.destroy()
            }
        }
        process.inputStream.eachLine { build.say(it) }
        def code = process.waitFor()
        if (code) { throw new IllegalStateException("script returned exit code $code") }
    }

    void withCredentials(List<Map<String, String>> bindings, Closure written) {
        bindings.each { build.bound.putAll(it) }
        try {
            play(this, written)
        } finally {
            build.bound.clear()
        }
    }

    Map<String, String> usernamePassword(Map arguments) {
        takes(arguments, 'credentialsId', 'usernameVariable', 'passwordVariable')
        if (!arguments.credentialsId || arguments.credentialsId != System.getenv('CREDENTIALS_ID')) {
            throw new IllegalArgumentException("Could not find credentials entry with ID '$arguments.credentialsId'")
        }
        [(arguments.usernameVariable): System.getenv('CREDENTIALS_USERNAME'),
         (arguments.passwordVariable): System.getenv('CREDENTIALS_PASSWORD')]
    }

    void junit(Map arguments) {
        takes(arguments, 'testResults', 'allowEmptyResults')
        def cases = build.files(arguments.testResults).collectMany { file ->
            def found = DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(file.toFile())
            def nodes = found.getElementsByTagName('testcase')
            (0..<nodes.length).collect { nodes.item(it) }
        }
        if (!cases && !arguments.allowEmptyResults) { throw new IllegalStateException('No test report files were found') }
        def failed = cases.findAll { test ->
            ['failure', 'error'].any { test.getElementsByTagName(it).length }
        }
        build.say("Test results: ${cases.size()} tests, ${failed.size()} failed")
        failed.each { build.say("Failed: ${it.getAttribute('name')}") }
        if (failed && build.result == 'SUCCESS') { build.result = 'UNSTABLE' }
    }

    void archiveArtifacts(Map arguments) {
        takes(arguments, 'artifacts', 'allowEmptyArchive')
        def found = build.files(arguments.artifacts)
        if (!found && !arguments.allowEmptyArchive) { throw new IllegalStateException('No artifacts found') }
        found.each { file ->
            def copy = build.archive.resolve(build.workspace.relativize(file))
            Files.createDirectories(copy.parent)
            Files.copy(file, copy, StandardCopyOption.REPLACE_EXISTING)
        }
        build.say("Artifacts: ${found.size()} files")
    }
}

def (workspace, archive) = args.take(2).collect { Path.of(it).toAbsolutePath() }
def given = args.drop(2).collectEntries { it.split('=', 2).toList() }
def build = new Build(workspace: workspace, archive: archive, given: given)
try {
    def pipeline = { Closure written ->
        def read = new Pipeline(build)
        Braces.play(read, written)
        read.run()
    }
    new GroovyShell(new Binding(pipeline: pipeline)).evaluate(workspace.resolve('Jenkinsfile').toFile())
} catch (Exception error) {
    build.say("ERROR: $error.message")
    build.result = 'FAILURE'
}
build.say("Finished: $build.result")
System.exit(build.result == 'SUCCESS' ? 0 : 1)
