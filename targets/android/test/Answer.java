import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.StringJoiner;
import org.tinybert.Model;

/** {@code java Answer IMAGE TEXTS} answers each line of TEXTS in two columns, as the other targets do. */
public final class Answer {
    public static void main(String[] arguments) throws Exception {
        try (FileChannel file = FileChannel.open(Path.of(arguments[0]));
                Model model = new Model(file.map(FileChannel.MapMode.READ_ONLY, 0, file.size()))) {
            for (String text : Files.readAllLines(Path.of(arguments[1]))) {
                Model.Answer answer = model.answer(text);
                StringJoiner bits = new StringJoiner(" ");
                for (float logit : answer.logits) {
                    bits.add(String.format("%08x", Float.floatToRawIntBits(logit)));
                }
                System.out.println(answer.label + "\t" + bits + "\t" + String.format("%.4f", answer.probability));
            }
        }
    }
}
