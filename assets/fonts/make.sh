#!/usr/bin/env bash
# Makes the fonts of the window: subsets of Noto Sans CJK JP (Japanese) and Inter (Latin), both under the SIL Open Font Licence.
# Needs Debian's fonts-noto-cjk, fonts-inter and fonttools (python3-fonttools, or pip in the Python named by $PYTHON).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
fonts=/usr/share/fonts/opentype
for file in "$fonts/noto/NotoSansCJK-Regular.ttc" "$fonts/inter/Inter-Regular.otf"; do
    [ -e "$file" ] || { echo "make.sh: $file is missing (apt install fonts-noto-cjk fonts-inter)" >&2; exit 1; }
done
"${PYTHON:-python3}" "$here/subset.py" "$fonts" "$here"
