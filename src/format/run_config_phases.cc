// The `attention` section of a run configuration: methods per phase and per range of layers. Each
// method's parameters are its own map's, and the model map's where that has none.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "format/run_config.h"

namespace quarry {
namespace {

constexpr std::string_view kSectionKeys[] = {"prefill", "decode", "layers"};
constexpr std::string_view kPhases[] = {"prefill", "decode"};
// Of the run, whatever the method: not among the parameters of a phase.
constexpr std::string_view kRunKeys[] = {"path", "tokenizer_path", "base", "distance_scale",
                                         "model_center"};

class SectionReader {
 public:
  SectionReader(YamlReader& model, const YamlNode& model_map, std::string_view file, Status& error,
                RunConfig& config)
      : model_(model), model_map_(model_map), file_(file), error_(error), config_(config) {}

  AttentionSetup Read(const YamlEntry* section);

 private:
  static constexpr int64_t kMaxLayer = 1 << 20;

  AttentionSetup Alone();
  PhaseMethods ReadPhases(const YamlNode& map, std::string_view path);
  LayerRange ReadRange(const YamlNode& item, std::string_view path);
  AttentionConfig ReadMethodOf(const YamlEntry& phase, const YamlEntry* other);
  // The entries that `phase` has itself: a name is the same as a map of `type`.
  std::vector<YamlEntry> Own(const YamlEntry& phase);
  void Reject(const YamlEntry& entry, std::string_view must) {
    if (error_.ok()) {
      error_ = InvalidArgument(fmt::format("{}: {} is {}, {}", YamlPlace(file_, entry), entry.path,
                                           ShowYaml(entry.value), must));
    }
  }

  YamlReader& model_;
  const YamlNode& model_map_;
  std::string_view file_;
  Status& error_;
  RunConfig& config_;
};

const YamlEntry* Present(const YamlEntry* entry) {
  return entry == nullptr || entry->value.kind == YamlNode::Kind::kNull ? nullptr : entry;
}

AttentionSetup SectionReader::Alone() {
  AttentionSetup setup;
  setup.methods = PhaseMethods(ReadAttention(model_, config_.notes));
  return setup;
}

AttentionSetup SectionReader::Read(const YamlEntry* section) {
  if (Present(section) == nullptr) return Alone();
  if (section->value.kind != YamlNode::Kind::kMap) {
    Reject(*section, "must be a map of prefill, decode and layers");
    return {};
  }
  for (const YamlEntry& entry : section->value.entries) {
    if (Status s = CheckKnownKey(entry, file_, "attention", kSectionKeys); !s.ok()) {
      error_ = s;
      return {};
    }
  }
  AttentionSetup setup;
  setup.methods = ReadPhases(section->value, "attention");
  const YamlEntry* layers = Present(section->value.Find("layers"));
  if (layers == nullptr || !error_.ok()) return setup;
  if (layers->value.kind != YamlNode::Kind::kList) {
    Reject(*layers, "must be a list of maps: first, last, and a method's type");
    return setup;
  }
  for (size_t i = 0; i < layers->value.items.size() && error_.ok(); ++i) {
    setup.layers.push_back(
        ReadRange(layers->value.items[i], fmt::format("{}[{}]", layers->path, i)));
  }
  return setup;
}

std::vector<YamlEntry> SectionReader::Own(const YamlEntry& phase) {
  if (phase.value.kind == YamlNode::Kind::kScalar) {
    YamlEntry type = phase;
    type.key = "type";
    return {std::move(type)};
  }
  if (phase.value.kind != YamlNode::Kind::kMap) {
    Reject(phase, "must be a method's name or a map");
    return {};
  }
  for (const YamlEntry& entry : phase.value.entries) {
    if (entry.value.kind == YamlNode::Kind::kList || entry.value.kind == YamlNode::Kind::kMap) {
      Reject(entry, "must be a scalar");
      return {};
    }
    Status s = CheckKnownKey(entry, file_, phase.path, ModelKeys());
    if (s.ok() && Contains(kRunKeys, entry.key)) {
      s = InvalidArgument(fmt::format("{}: unknown key \"{}\" in {}, did you mean \"model.{}\"?",
                                      YamlPlace(file_, entry), entry.key, phase.path, entry.key));
    }
    if (!s.ok()) {
      error_ = s;
      return {};
    }
  }
  return phase.value.entries;
}

AttentionConfig SectionReader::ReadMethodOf(const YamlEntry& phase, const YamlEntry* other) {
  YamlNode map;
  map.kind = YamlNode::Kind::kMap;
  const auto lay_under = [&](const std::vector<YamlEntry>& entries) {
    for (const YamlEntry& entry : entries) {
      const YamlEntry* there = map.Find(entry.key);
      if (there == nullptr) map.entries.push_back(entry);
    }
  };
  lay_under(Own(phase));
  // Two phases of one method need its parameters once only.
  if (other != nullptr) {
    const std::vector<YamlEntry> more = Own(*other);
    const auto type = [](const std::vector<YamlEntry>& entries) -> Result<AttentionConfig> {
      for (const YamlEntry& e : entries) {
        if (e.key == "type") return DefaultAttentionConfig(e.value.scalar);
      }
      return NotFound("type");
    };
    const Result<AttentionConfig> a = type(map.entries), b = type(more);
    if (a.ok() && b.ok() && a->index() == b->index()) lay_under(more);
  }
  lay_under(model_map_.entries);
  if (!error_.ok()) return DenseConfig{};

  YamlReader in(map, file_, phase.path, error_);
  const AttentionConfig method = ReadAttention(in, config_.notes);
  const std::vector<const YamlEntry*> unread = in.Unread();
  for (const YamlEntry& entry : map.entries) {
    const bool read = std::find(unread.begin(), unread.end(), &entry) == unread.end();
    if (read && model_map_.Find(entry.key) != nullptr) {
      model_.Has(entry.key);  // marks it
    } else if (!read && entry.path.starts_with(phase.path)) {
      config_.notes.push_back(fmt::format("{}: not used by {}", entry.path, MethodName(method)));
    }
  }
  return method;
}

PhaseMethods SectionReader::ReadPhases(const YamlNode& map, std::string_view path) {
  const YamlEntry* prefill = Present(map.Find("prefill"));
  const YamlEntry* decode = Present(map.Find("decode"));
  const YamlEntry* general = Present(model_map_.Find("type"));
  if (prefill == nullptr && decode == nullptr) {
    if (path == "attention") return Alone().methods;
    error_ = InvalidArgument(fmt::format("{}: {} has no type, prefill or decode", file_, path));
    return {};
  }
  if (general != nullptr) model_.Has("type");
  if (prefill != nullptr && decode != nullptr) {
    return {ReadMethodOf(*prefill, decode), ReadMethodOf(*decode, prefill)};
  }
  const bool reads = prefill != nullptr;
  const AttentionConfig given = ReadMethodOf(reads ? *prefill : *decode, nullptr);
  if (!error_.ok()) return {};
  // The other phase: what model.type says; without it the same method, where that can serve it.
  if (general == nullptr) return PhaseMethods(given);
  const AttentionConfig rest = ReadMethodOf(*general, nullptr);
  return reads ? PhaseMethods(given, PhaseMethods(rest).decode)
               : PhaseMethods(PhaseMethods(rest).prefill, given);
}

LayerRange SectionReader::ReadRange(const YamlNode& item, std::string_view path) {
  YamlEntry self;
  self.key = self.path = path;
  self.value = item;
  LayerRange range;
  if (item.kind != YamlNode::Kind::kMap) {
    Reject(self, "must be a map: first, last, and a method's type");
    return range;
  }
  // first and last are the range's own; the rest is a phase like others.
  YamlNode rest = item;
  std::erase_if(rest.entries,
                [](const YamlEntry& e) { return e.key == "first" || e.key == "last"; });
  YamlNode ends = item;
  std::erase_if(ends.entries,
                [](const YamlEntry& e) { return e.key != "first" && e.key != "last"; });
  YamlReader in(ends, file_, path, error_);
  range.first = in.Int("first", "a range of layers");
  range.last = in.IntOr("last", range.first);
  if (!error_.ok()) return range;
  for (std::string_view key : {"first", "last"}) {
    const int64_t value = key == "first" ? range.first : range.last;
    if (in.Has(key) && (value < (key == "first" ? 0 : range.first) || value > kMaxLayer)) {
      in.Reject(key, fmt::format("must be between {} and {}", key == "first" ? 0 : range.first,
                                 kMaxLayer));
      return range;
    }
  }
  if (rest.Find("type") != nullptr) {
    self.value = rest;
    range.methods = PhaseMethods(ReadMethodOf(self, nullptr));
    return range;
  }
  for (const YamlEntry& entry : rest.entries) {
    if (Status s = CheckKnownKey(entry, file_, path, kPhases); !s.ok()) {
      error_ = s;
      return range;
    }
  }
  range.methods = ReadPhases(rest, path);
  return range;
}

}  // namespace

AttentionSetup ReadAttentionSetup(const YamlEntry* section, YamlReader& model,
                                  const YamlNode& model_map, std::string_view file, Status& error,
                                  RunConfig& config) {
  return SectionReader(model, model_map, file, error, config).Read(section);
}

}  // namespace quarry
