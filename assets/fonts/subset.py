"""Cuts the fonts of the window down to the characters that it can show. Called by make.sh: subset.py FONTS OUT."""
import sys

from fontTools import subset
from fontTools.ttLib import TTFont

LATIN = [*range(0x20, 0x7F), *range(0xA0, 0x180)]
SYMBOLS = [ord(c) for c in "–—‘’“”†•…‰′″‹›€™−≈≠≤≥∞√∑∂∆∫µΩαβγδθλμπστφω←↑→↓↔↕↺↻⇧⌘⏎▲▼▶◀●○■□◆◇✓✗★☆⚠"]


def jis_level_1():
    """JIS X 0208 without its second level of kanji: kana, Greek, Cyrillic, punctuation, symbols and 2,965 kanji."""
    found = []
    for row in range(1, 48):
        for cell in range(1, 95):
            try:
                found.append(ord(bytes([0xA0 + row, 0xA0 + cell]).decode("euc_jp")))
            except UnicodeDecodeError:
                pass  # an empty cell
    return found


def tabular_digits(font):
    """Makes the digits of one width the usual ones: numbers that change many times a second must not dance."""
    lookups = font["GSUB"].table
    feature = next(r.Feature for r in lookups.FeatureList.FeatureRecord if r.FeatureTag == "tnum")
    swap = {}
    for index in feature.LookupListIndex:
        for table in lookups.LookupList.Lookup[index].SubTable:
            swap.update(getattr(table, "ExtSubTable", table).mapping)
    for table in font["cmap"].tables:
        for digit in range(ord("0"), ord("9") + 1):
            if digit in table.cmap:
                table.cmap[digit] = swap.get(table.cmap[digit], table.cmap[digit])


def cut(font, characters, features, out):
    options = subset.Options()
    options.layout_features = features
    options.hinting = False
    options.notdef_outline = True
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 7, 13, 14]
    options.recalc_timestamp = False
    options.drop_tables += ["DSIG", "VORG", "vhea", "vmtx", "BASE"]
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=characters)
    cutter.subset(font)
    for record in font["name"].names:
        if record.nameID == 5:
            record.string = f"{record.toUnicode()}; subset for Seseragi"
    font.save(out)
    print(f"{out}: {len(font.getBestCmap())} characters")


def main(fonts, out):
    japanese = TTFont(f"{fonts}/noto/NotoSansCJK-Regular.ttc", fontNumber=0, recalcTimestamp=False)
    assert japanese["name"].getDebugName(1) == "Noto Sans CJK JP"
    half_width = range(0xFF61, 0xFFA0)
    cut(japanese, jis_level_1() + LATIN + SYMBOLS + [*half_width], [], f"{out}/NotoSansCJKjp-Regular-subset.otf")
    for weight in ("Regular", "SemiBold"):
        latin = TTFont(f"{fonts}/inter/Inter-{weight}.otf", recalcTimestamp=False)
        tabular_digits(latin)
        cut(latin, LATIN + SYMBOLS, ["kern", "ccmp", "mark"], f"{out}/Inter-{weight}-subset.otf")


main(*sys.argv[1:])
