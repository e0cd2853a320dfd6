"""Sentences with what vaderSentiment 3.3.2 says of them, for the test in mod.rs:

pip install vaderSentiment==3.3.2 && python vader.py > vader.tsv

With a number, so many other sentences from that seed: python vader.py 7 20000 > /tmp/more.tsv
"""
import random
import sys

from vaderSentiment.vaderSentiment import BOOSTER_DICT, NEGATE, SentimentIntensityAnalyzer

analyzer = SentimentIntensityAnalyzer()
seed, count = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (1, 600)
draw = random.Random(seed)
plain = "the a stream goal match again tonight it was is this that of kind sort at very least but or nor no doubt so and I we they corner".split()
rude = "fuck shit ass bitch nig fag cunt dick whore slut rap bastard damn hell crap puss tit cock jack fric frig".split()
rated = [w for w in sorted(analyzer.lexicon) if not any(part in w for part in rude)]
emoji = [e for e in analyzer.emojis if len(e) == 1]
liked = [w for w in ["good", "bad", "great", "terrible", "love", "hate", "fun", "awful", "lol", ":)", ":(", "<3", ":D", "no"]]


def word():
    kind = draw.random()
    if kind < 0.25:
        return draw.choice(liked)
    if kind < 0.40:
        return draw.choice(rated)
    if kind < 0.50:
        return draw.choice([w for w in sorted(BOOSTER_DICT) if not w.startswith("fu")])
    if kind < 0.60:
        return draw.choice(NEGATE + ["no", "never", "without doubt", "never so", "least", "at least", "but"])
    if kind < 0.63:
        return draw.choice(["bus stop", "yeah right", "kiss of death", "to die for", "beating heart", "the bomb"])
    if kind < 0.66:
        return draw.choice(emoji)
    return draw.choice(plain)


def dressed(text):
    kind = draw.random()
    text = text.upper() if kind < 0.08 else text.capitalize() if kind < 0.15 else text
    return text + draw.choice(["", "", "", "", "", "", ",", "!", "!!", "...", "?", "??", "'s", "."])


for _ in range(count):
    text = " ".join(dressed(word()) for _ in range(draw.randint(1, 12))) + draw.choice(["", "", "!", "!!!!!", "??", "????"])
    print(f"{analyzer.polarity_scores(text)['compound']}\t{text}")
