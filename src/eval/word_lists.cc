#include "eval/word_lists.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/file.h"

namespace quarry::eval {
namespace {

constexpr uint64_t kMaxListBytes = uint64_t{1} << 24;
constexpr size_t kMaxWords = 65536;

constexpr std::string_view kNouns =
    "acorn anchor apple arrow autumn badge balloon barley basket beacon beaver bell birch blanket "
    "blossom bottle bramble branch bridge bucket button cabin cactus candle canyon carpet castle "
    "cedar chalk chapel cherry chestnut cliff clover comet compass copper coral cottage cradle "
    "crane cricket crystal curtain daisy desert dolphin domino donkey dragon drum eagle earth "
    "easel echo ember engine falcon feather fence fern ferry fiddle finch flame flute forest "
    "fountain fox frost garden garnet gate ginger glacier glove goose grain granite grove hammer "
    "harbor harvest hawk hazel hedge heron hill honey horizon horse island ivory jacket jar jewel "
    "juniper kettle key kite ladder lagoon lake lamp lantern lark leaf lemon lighthouse lily lion "
    "lobster locket lotus lynx magnet maple marble market meadow melon mill mirror mitten monsoon "
    "moon moss mountain mushroom nectar needle nest oak oasis oat ocean olive onion orchard otter "
    "owl oyster paddle palace panther paper parrot pearl pebble pelican pencil pepper piano pigeon "
    "pillow pine planet plum pocket pony poppy prairie pumpkin puzzle quarry quartz quill rabbit "
    "raccoon radish raft rain raven reed ribbon river robin rocket rose saddle sail salmon sand "
    "satchel scarf sea shadow shell shore silver sparrow spider spoon spruce squirrel star stone "
    "storm stove summer sunset swan table tapestry teapot temple thicket thimble thistle thunder "
    "tiger timber torch tower trail tulip tunnel turtle umbrella valley velvet village vine violet "
    "violin wagon walnut walrus water wheat whistle willow window winter wolf wren yarn zebra";

constexpr std::string_view kAdjectives =
    "able agile amber ancient autumn bitter blank blue bold brave bright brisk broad bronze calm "
    "careful cheerful chilly clean clear clever cold cool copper cosy crimson crisp curious damp "
    "dark dear deep dim distant dry dusty eager early earnest easy elder empty even faint fair "
    "faithful famous fancy fearless fine firm fleet fond formal fragile frank free fresh friendly "
    "frosty gentle giant glad gleaming golden good grand grave great green grey happy hardy hasty "
    "hidden high hollow honest humble icy idle jolly keen kind large late lazy light little lively "
    "lone long loud lovely low loyal lucky mellow merry mighty mild misty modest muddy narrow neat "
    "new nimble noble nosy odd old open orange pale patient plain polite proud pure purple quaint "
    "quick quiet rapid rare ready red rich ripe rough round royal rustic sandy scarlet secret "
    "serene shady sharp shining short shy silent silky silver simple sleek slender slim slow small "
    "smooth snowy soft solar solid spare spotted steady steep still stormy strange strong sturdy "
    "sunny sweet swift tall tame tart tender thick thin tidy tiny tranquil true upper vast velvet "
    "vivid warm wary weary white wide wild windy wise witty wooden worthy yellow young zealous";

constexpr std::string_view kVerbs =
    "accept admire answer arrive bake balance begin bend blend borrow bounce build carry carve "
    "catch chase choose climb collect cook cover dance deliver dig discover draw dream drift drive "
    "enjoy explore fetch fill find fly fold follow gather give glide grow guard guess guide hang "
    "hear help hide hold hope hum hunt imagine invent join juggle jump keep knit laugh launch lead "
    "lean learn lend lift listen look march measure melt mend mix move notice offer open paint "
    "pick plant play polish pour practice praise print promise pull push reach read repair rest "
    "ride roll row run sail scatter search send share shout sing sketch skip sleep smile solve "
    "speak spin stand stir study sweep swim swing talk taste teach tell throw touch trade travel "
    "try turn visit wait walk wander wash watch wave weave whisper win wonder work write";

constexpr std::string_view kCities[] = {
    "Chicago",    "Yangon",     "Antananarivo", "Colombo",   "Almaty",     "Sydney",    "Seattle",
    "Lagos",      "Amsterdam",  "Belgrade",     "Cairo",     "Baghdad",    "Damascus",  "Kigali",
    "Dakar",      "Sofia",      "Victoria",     "Ankara",    "Athens",     "Auckland",  "Bangkok",
    "Barcelona",  "Beirut",     "Berlin",       "Bogota",    "Boston",     "Brussels",  "Budapest",
    "Casablanca", "Copenhagen", "Delhi",        "Denver",    "Dhaka",      "Doha",      "Dublin",
    "Edinburgh",  "Geneva",     "Hanoi",        "Harare",    "Havana",     "Helsinki",  "Istanbul",
    "Jakarta",    "Jerusalem",  "Kabul",        "Kampala",   "Karachi",    "Kathmandu", "Khartoum",
    "Kingston",   "Lima",       "Lisbon",       "London",    "Luanda",     "Lusaka",    "Madrid",
    "Manila",     "Melbourne",  "Miami",        "Milan",     "Montevideo", "Montreal",  "Moscow",
    "Mumbai",     "Nairobi",    "Naples",       "Osaka",     "Oslo",       "Ottawa",    "Paris",
    "Perth",      "Prague",     "Quito",        "Reykjavik", "Riga",       "Riyadh",    "Rome",
    "Santiago",   "Seoul",      "Shanghai",     "Singapore", "Stockholm",  "Taipei",    "Tallinn",
    "Tashkent",   "Tbilisi",    "Tehran",       "Tokyo",     "Toronto",    "Tripoli",   "Tunis",
    "Turin",      "Valencia",   "Vancouver",    "Venice",    "Vienna",     "Vilnius",   "Warsaw",
    "Yerevan",    "Zagreb"};

constexpr std::string_view kNames[] = {
    "Alice",  "Amara", "Anton",   "Bella",  "Boris",  "Carla",   "Cedric", "Clara",
    "Dana",   "Diego", "Dora",    "Edgar",  "Elena",  "Emil",    "Erik",   "Esther",
    "Felix",  "Fiona", "Gabriel", "Greta",  "Hanna",  "Hector",  "Helen",  "Hugo",
    "Ida",    "Irene", "Ivan",    "Jasper", "Julia",  "Karen",   "Klaus",  "Laura",
    "Leon",   "Lydia", "Marco",   "Maria",  "Martin", "Mira",    "Nadia",  "Nina",
    "Oscar",  "Otto",  "Paula",   "Pedro",  "Petra",  "Quentin", "Rachel", "Ramon",
    "Rosa",   "Ruben", "Sam",     "Simon",  "Sonia",  "Stella",  "Tara",   "Thomas",
    "Ursula", "Vera",  "Victor",  "Wanda",  "Xenia",  "Yusuf",   "Yvonne", "Zelda"};

std::vector<std::string> Split(std::string_view words) {
  std::vector<std::string> out;
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    out.emplace_back(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return out;
}

Result<std::vector<std::string>> LoadList(const std::filesystem::path& path) {
  const Result<std::string> text = ReadFile(path, kMaxListBytes);
  if (!text.ok()) return text.status();
  std::vector<std::string> words;
  for (size_t begin = 0; begin < text->size();) {
    const size_t end = std::min(text->find('\n', begin), text->size());
    std::string word = text->substr(begin, end - begin);
    word.erase(word.find_last_not_of(" \t\r") + 1);
    if (!word.empty()) words.push_back(std::move(word));
    begin = end + 1;
  }
  if (words.empty() || words.size() > kMaxWords) {
    return CorruptData(fmt::format("{}: {} words, must be between 1 and {}", path.string(),
                                   words.size(), kMaxWords));
  }
  return words;
}

}  // namespace

WordPairs::WordPairs(std::vector<std::string> adjectives, std::vector<std::string> nouns)
    : adjectives_(std::move(adjectives)), nouns_(std::move(nouns)) {
  const auto unique = [](std::vector<std::string>& x) {
    std::sort(x.begin(), x.end());
    x.erase(std::unique(x.begin(), x.end()), x.end());
  };
  unique(adjectives_);
  unique(nouns_);
  pairs_.reserve(adjectives_.size() * nouns_.size());
  for (size_t a = 0; a < adjectives_.size(); ++a) {
    for (size_t n = 0; n < nouns_.size(); ++n) {
      pairs_.emplace_back(static_cast<uint16_t>(a), static_cast<uint16_t>(n));
    }
  }
  // Only adjectives of which one begins with the other come in another order once "-noun" follows:
  // compare whole pairs.
  const auto compare = [this](const auto& x, const auto& y) {
    const std::string& a = adjectives_[x.first];
    const std::string& b = adjectives_[y.first];
    if (x.first == y.first) return nouns_[x.second] < nouns_[y.second];
    const size_t common = std::min(a.size(), b.size());
    const int order = a.compare(0, common, b, 0, common);
    if (order != 0) return order < 0;
    return a + "-" + nouns_[x.second] < b + "-" + nouns_[y.second];
  };
  std::sort(pairs_.begin(), pairs_.end(), compare);
  // "a-b" + "c" and "a" + "b-c" are one string.
  pairs_.erase(
      std::unique(pairs_.begin(), pairs_.end(),
                  [&](const auto& x, const auto& y) { return !compare(x, y) && !compare(y, x); }),
      pairs_.end());
}

std::string WordPairs::operator[](size_t i) const {
  return adjectives_[pairs_[i].first] + "-" + nouns_[pairs_[i].second];
}

WordLists BuiltInWords() { return {Split(kNouns), Split(kAdjectives), Split(kVerbs)}; }

Result<WordLists> LoadWords(const std::filesystem::path& folder) {
  WordLists lists;
  struct Entry {
    const char* name;
    std::vector<std::string>* list;
  };
  for (const Entry& e :
       {Entry{"nounlist.txt", &lists.nouns}, Entry{"adjectivelist.txt", &lists.adjectives},
        Entry{"verblist.txt", &lists.verbs}}) {
    Result<std::vector<std::string>> words = LoadList(folder / e.name);
    if (!words.ok()) return words.status();
    *e.list = std::move(*words);
  }
  return lists;
}

std::span<const std::string_view> Cities() { return kCities; }
std::span<const std::string_view> Names() { return kNames; }

}  // namespace quarry::eval
