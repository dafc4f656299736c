#!/usr/bin/env bash
# Makes `_other_speech/`, the speech that every training of words hears to learn what is none of them: sentences and short
# phrases in many synthetic voices and some languages, 16 kHz mono OGG Vorbis. A file is named after what is said in it, so that
# a training leaves out what says one of its words. No sentence has a digit or what sounds like one.
# Each English one is said twice, by flite and by espeak-ng. Then come rows of eight words of a list of English words: no language has so
# many sounds beside each other in so few minutes, and they are said slower and faster than the sentences.
# Needs both, sox with OGG (Debian's libsox-fmt-all) and the list (Debian's wamerican-small).
# The folders of words there, which people said, are left as they are.
#
#   bash assets/datasets/other-speech.sh [DIR]
set -euo pipefail
export LC_ALL=C.UTF-8
out=${1:-$(dirname "$0")/_other_speech}
for tool in flite espeak-ng sox; do
    command -v "$tool" >/dev/null || { echo "other-speech.sh: needs $tool (apt install flite espeak-ng sox)" >&2; exit 1; }
done
list=/usr/share/dict/american-english-small
[ -r "$list" ] || { echo "other-speech.sh: needs $list (apt install wamerican-small)" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
english=(
    "the river was quiet in the early morning" "can you hear the water under the bridge" "my sister plays the violin every day"
    "please close the window, it is getting cold" "we walked along the beach until it was dark" "he never says what he thinks"
    "there is fresh bread on the kitchen table" "let us meet at the station after lunch" "I have no idea where my keys are"
    "the children are playing in the garden" "turn the music down a little, please" "what a beautiful picture"
    "she is reading a book about the moon" "yesterday it rained all afternoon" "good evening, ladies and gentlemen"
    "the museum opens again in spring" "show me the way back home" "thank you, that is very kind"
    "a small bird sat on the old stone wall" "he has been working here since last summer" "would you like some coffee or tea"
    "the teacher asked a difficult question" "nobody knew the answer" "please speak slowly and clearly"
    "my phone is almost empty" "it was a long and happy journey" "the train leaves from platform B"
    "look at these lovely colours" "we should buy some apples and cheese" "the doctor will see you now"
    "start the machine and wait a minute" "stop, that is much louder than before" "raise your hand and say hello"
    "the weather is changing quickly" "people come here from all over the world" "everything is possible, perhaps"
    "water boils and becomes steam" "the engine makes a strange noise" "she laughed and shook her head"
    "yes, of course" "no, not at all" "excuse me, where is the exit" "good night and sleep well"
    "open the door" "listen carefully" "what is that" "who are you" "how does it work" "maybe tomorrow" "let me think"
    "left, right, up and down" "on and off" "red, yellow, green, blue" "black and white" "happy birthday"
    "mother and father" "cat, dog, horse and mouse" "house, tree, street and city" "paper, pencil, scissors"
    "sunday, monday, tuesday" "hundred, thousand, million" "plus, minus, equals" "hmm, well, okay" "oh, I see"
    "they said the service was very slow" "the joke was told by an old man"
    "finding silver in the nice night sky" "the line of pine trees behind the hill" "threads and trees and breeze"
    "sicker kids, thick bricks" "fine wine in a hive" "heaven, eleven, clever, never" "hero, arrow, borrow, narrow"
    "wonder, under, thunder" "floor, door, more, store" "eat, late, gate, straight" "tour, you, through, blue"
    "would you be so kind" "could I have another cup of tea" "thanks a lot" "thank you so much" "you are very welcome"
    "you know that I am very sorry" "bring it over here" "bring your own blanket" "put the brown bag in the kitchen"
    "can you please help me" "what do you like about it" "give me the key" "could we begin with a new question" "do you mind"
    "pick up the telephone" "come in and sit down" "put it on the top shelf" "where did you go last week" "I had almost called you"
    "as far as I know, nothing has happened" "which bus goes near the airport" "how much is the ticket" "may I introduce my husband"
    "she made a complete list of names" "the company has a new partner" "a couple of months ago" "it depends on you"
    "we must protect the forest" "their voices were hardly audible" "the judge sent him out of the court"
    "I would rather stay at home tonight" "an actor from Alaska" "in my opinion that is enough" "keep calm and carry on"
    "chocolate, vanilla or lemon" "quick question about your project" "the kitten chased a butterfly" "could be, should be, would be"
    "computing is a matter of comfort" "a lexicon, an extra election" "service and harvest, jars and cars"
    "the old clock in the hall has stopped again" "my grandmother makes the best apple cake"
    "could somebody switch on the light in here" "the mountain path was steep and slippery" "a cool wind came in from the sea"
    "her brother studies medicine in Edinburgh" "the library stays open until midnight"
    "please leave your shoes beside the front door" "I forgot my umbrella on the tram" "the picture above the sofa is crooked"
    "we painted the fence last weekend" "the soup needs a little more salt" "these grapes are sweet and juicy"
    "he carries a heavy bag up the stairs" "the cat is asleep under the radiator" "somewhere a dog was barking all night"
    "the lake is frozen in january" "their plane landed an hour ago" "you look tired, have a rest"
    "how do you spell your surname" "the museum guide knows every painting" "wait, I will come along with you"
    "I have never been in Portugal" "the shop sells postcards and stamps" "your parcel arrived this morning"
    "she plays tennis every thursday" "the concert begins after the speech" "nobody likes the colour of that wall"
    "a spider built its web in the corner" "we had pancakes and maple syrup" "is anybody home"
    "the boat drifted slowly down the canal" "it costs less than you might think" "the carpet is clean and dry now"
    "our neighbours are moving away in march" "let us go by bike instead of by car" "the cheese smells worse than it tastes"
    "what makes you believe that" "the candle flickered and went out" "I usually get up before sunrise"
    "he wrote a very long letter about farming" "the actor bowed and left the stage" "many thanks, see you in october"
    "I thank you all very warmly" "you may very well be mistaken" "very much the same as ever"
    "there is much more space over here" "a much larger audience than usual" "I think you would make a charming couple"
    "the commuter train is always crowded" "can you reach the button on the left" "come quickly, the puppy is awake"
    "a common mistake among beginners" "the committee met behind closed doors" "a compass and a map are all you need"
    "they compared the copper pipes" "the composer hummed a simple tune" "the captain pulled the rope"
    "a jar of jam and a bag of marbles" "the large garden is full of daisies" "a charming village in the valley"
    "the charger is under the cushion" "jasmine tea with a slice of lemon" "the guard stood at the palace gate"
    "the giraffe has a remarkably long neck" "the army marched past the harbour" "alas, the lecture was cancelled"
    "a leather jacket and a silk scarf" "alexander collects electric guitars" "elections are held in the autumn"
    "relax and breathe in deeply" "the axle of the wagon is broken" "a salad with olives and pepper"
    "a lemon, a melon and a banana" "the elephant is drinking" "her excellent answer surprised us"
    "I lent her a dollar yesterday" "the chef prepared a delicious meal" "the students are whispering in class"
    "please keep this a secret" "silver spoons and golden rings" "the snow melted in a single afternoon"
    "he never sat down at the piano again" "heaven knows where she has been" "the oven is still very hot"
    "a raven landed on the roof" "the living room has a wooden floor" "we dive where the water is clear"
    "a hive is full of busy bees" "drive carefully through the village" "life is like a box of chocolates"
    "the fire was visible across the bay" "the choir sang with great joy" "a mild and rainy climate" "mine is the red suitcase"
    "time and again they tried" "the whole night was silent and bright" "a fine line between love and hate"
    "late at night the phone rang" "wait by the gate and hold the plate" "the great lakes are a day away"
    "a horse ran across the open field" "the force of the storm broke the mast" "pour some more water over the flowers"
    "the court will hear the case on friday" "the zebra has stripes and a long tail" "the heroes returned at dawn"
    "we rowed the boat slowly ashore" "a mirror hung near the narrow window" "through thick and thin she stood by him"
    "the queen arrived in a golden coach" "truth is stranger than fiction" "who threw the ball over the hedge"
    "the bricks are wet and slick" "pick the sticks up quickly" "he fixed the broken switch"
    "the mix of spices makes it special" "what a wonderful evening this was" "young people enjoy running in the sun"
    "a month on an island would be lovely" "I wonder when the rain will stop" "under the bridge the water is deep"
    "the hunter ran from the bear" "the moon and the stars came out" "a few blue shoes in the rain" "whose turn is it now"
    "do as you are told" "doing nothing is also an option" "enough is enough" "not now, maybe later" "hello and welcome back"
    "goodbye and take care" "sorry, I did not catch that" "no way, that cannot be right" "right, let us begin" "sure, go ahead"
    "well done, everybody" "ouch, that hurts" "hurry up, we are leaving"
)
other=(
    "de:der Fluss murmelt leise unter der alten Brücke" "de:können Sie mich gut verstehen" "de:wir treffen uns morgen früh im Museum"
    "de:das Wetter wird langsam wieder besser" "de:guten Abend, meine Damen und Herren" "fr:bonjour, comment allez-vous"
    "fr:la rivière coule sous le vieux pont" "fr:je voudrais un café et du pain" "fr:les enfants jouent dans le jardin"
    "fr:il fait très beau ce matin" "es:buenos días, cómo se llama usted" "es:el agua del río nunca se detiene"
    "es:me gusta mucho la música" "es:hasta mañana por la tarde" "it:buongiorno a tutti, benvenuti" "it:la finestra della cucina è aperta"
    "it:andiamo insieme al mercato" "pt:muito obrigado pela ajuda" "pt:a casa fica perto da praia" "pl:dzień dobry, jak się pan ma"
    "pl:woda w rzece jest zimna" "sv:det var en gång en liten flicka" "sv:tack så mycket för maten" "nl:waar is het station, alstublieft"
    "nl:de kinderen spelen in de tuin" "fi:hyvää huomenta kaikille" "tr:günaydın, nasılsınız" "hu:jó napot kívánok mindenkinek"
    "cs:dobrý den, jak se máte" "ro:apa curge sub podul vechi" "ru:доброе утро, как дела" "el:καλημέρα σε όλους"
    "hi:नमस्ते आप कैसे हैं" "id:selamat pagi, apa kabar" "sw:habari za asubuhi, rafiki" "cmn-latn-pinyin:ni3 hao3, jin1 tian1 tian1 qi4 hen3 hao3"
    "ja:おはようございます" "ja:かわのおとがきこえます" "ko:안녕하세요 반갑습니다" "vi:xin chào các bạn"
)
flite_voices=(slt rms awb kal16)
accents=(en-us en-gb en-gb-x-rp en-gb-scotland en-us-nyc en-gb-x-gbclan en-gb-x-gbcwmd en-029)
variants=(f2 m3 f4 m7 f5 m1 f3 m6 klatt2 m2 m8 f1 klatt4 m4)
mkdir -p "$out"
rm -f "$out"/[0-9]*
# keep NUMBER LANGUAGE TEXT QUALITY: the sound in $work/raw.wav as a clip of the set, named in letters that every file system has.
keep() {
    local said
    said=$(printf '%s' "$3" | iconv -f utf-8 -t ascii//TRANSLIT | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z]\+/-/g; s/^-//; s/-$//')
    sox -V1 -R -D "$work/raw.wav" -c 1 -C "$4" "$out/$(printf '%03d' "$1")-$2${said:+-$said}.ogg" \
        gain -8 rate -v 16000 highpass 60 gain -n -3 silence 1 0.005 0.25% reverse silence 1 0.005 0.25% reverse fade t 0.004
}
n=0
for text in "${english[@]}" "${english[@]}"; do
    # The second time by the other program.
    if (((n % ${#english[@]} + n / ${#english[@]}) % 2 == 0)); then
        flite -voice "${flite_voices[$((n / 2 % 4))]}" --setf duration_stretch="0.$((80 + n * 7 % 20))" \
            --setf int_f0_target_mean=$((85 + n * 37 % 120)) -t "$text" "$work/raw.wav"
    else
        voice=${accents[$((n / 2 % 8))]}+${variants[$((n / 2 % 14))]}
        espeak-ng -v "$voice" -s $((120 + n * 13 % 60)) -p $((25 + n * 11 % 50)) -w "$work/raw.wav" "$text"
    fi
    keep "$n" en "$text" 0
    n=$((n + 1))
done
for entry in "${other[@]}"; do
    espeak-ng -v "${entry%%:*}+${variants[$((n % 14))]}" -s $((115 + n * 13 % 50)) -p $((25 + n * 11 % 50)) -w "$work/raw.wav" "${entry#*:}"
    language=${entry%%:*}
    keep "$n" "${language%%-*}" "${entry#*:}" 0
    n=$((n + 1))
done

# Sets `number` to the next draw from LOW to HIGH.
state=1
draw() { # LOW HIGH
    state=$(((state * 1103515245 + 12345) & 0x7fffffff))
    number=$(($1 + (state >> 8) % ($2 - $1 + 1)))
}
digits='zero|one|two|three|four|five|six|seven|eight|nine|won|too|for|fore|ate|sex|sax|tree|free|fife|oh|tow|nun|nein'
# Rows with these are left out: what begins like a digit and what nobody would want to read in a museum.
unsaid='sixth|seventh|eighth|arousing|asexual|bigot|bombarded|bombing|bowel|carnal|cock|cum|damned|diarrhoea|dyked|dyking|ejaculated?|faggot|fagot'
unsaid+='|fetish|fondling|foreskin|genital|genocide|impotence|infidel|killer|kinkiest|lewd|lusting|massacre|murdering|mutilated|mutilation|obscenest|orifice'
unsaid+='|pricked|piddled|raped|rectal|retard|sadist|satanic|sexing|sissiest|sodomy|sperm|stripper|stripping|thug'
mapfile -t words < <(grep -E '^[a-z]{3,10}$' "$list" | grep -Ev '[^s]s$' | grep -Evx "$digits")
for ((n = 1000; n < 1480; n++)); do
    row=()
    for _ in {1..8}; do
        draw 0 $((${#words[@]} - 1))
        row+=("${words[number]}")
    done
    if ((n % 2 == 0)); then
        draw 85 145; stretch=$number
        draw 85 205; pitch=$number
        flite -voice "${flite_voices[$((n / 2 % 4))]}" --setf duration_stretch="$((stretch / 100)).$(printf '%02d' $((stretch % 100)))" \
            --setf int_f0_target_mean="$pitch" -t "${row[*]}" "$work/raw.wav"
    else
        draw 95 175; pace=$number
        draw 25 75; pitch=$number
        espeak-ng -v "${accents[$((n / 2 % 8))]}+${variants[$((n / 2 % 14))]}" -s "$pace" -p "$pitch" -w "$work/raw.wav" "${row[*]}"
    fi
    [[ " ${row[*]} " =~ \ ($unsaid)\  ]] || keep "$n" en "${row[*]}" -1
done
