"""The metric of unix_words.yaml: 1 when the answer holds the expected word."""


def process_results(doc, results):
    return {"holds_the_word": float(doc["word"] in results[0].lower())}
