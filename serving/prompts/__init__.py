"""From messages and text to token ids, without trusting the text or the template."""
