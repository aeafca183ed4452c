package shop;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;

/** Rendered gift cards by order, "for a while": nothing ever takes one out again. */
final class GiftNoteCache {
    private static final Map<Long, GiftNote> NOTES = new ConcurrentHashMap<>();
    private static final int BYTES_PER_LETTER = 512;

    private GiftNoteCache() {
    }

    static void remember(long order, String text) {
        NOTES.put(order, new GiftNote(text, render(text)));
    }

    private static byte[] render(String text) {
        byte[] card = new byte[text.length() * BYTES_PER_LETTER];
        byte[] texture = new byte[card.length / 5];
        ThreadLocalRandom.current().nextBytes(texture);
        System.arraycopy(texture, 0, card, 0, texture.length);
        for (int i = texture.length; i < card.length; i++) {
            card[i] = (byte) text.charAt(i % text.length());
        }
        return card;
    }

    /** A note and the card that is printed from it. */
    record GiftNote(String text, byte[] card) {
    }
}
