#include "bench/layer_data.h"

#include <cmath>

#include <fmt/format.h>

#include "base/rng.h"
#include "format/qkv_file.h"

namespace quarry::bench {
namespace {

// How the channels of a head are used: position in pairs of cosine and sine, a flag that some keys
// carry, a topic; the rest is noise.
struct Channels {
  explicit Channels(int head_dim)
      : frequencies(head_dim * 3 / 16),
        flag(head_dim * 3 / 8),
        topic(head_dim * 7 / 16),
        n_flag(head_dim / 16),
        n_topic(head_dim / 4),
        // Scores then spread as they do in heads of 128.
        strength(std::sqrt(128.0 / head_dim)) {}
  int frequencies;
  int flag, topic;
  int n_flag, n_topic;
  double strength;
};

constexpr int kTopics = 64;
constexpr int kTopicTokens = 512;

// cos and sin of one position at all frequencies.
void AddPosition(const Channels& c, double position, double strength, float* x) {
  double frequency = 0.9;
  for (int i = 0; i < c.frequencies; ++i, frequency *= 0.72) {
    x[2 * i] += static_cast<float>(strength * std::cos(position * frequency));
    x[2 * i + 1] += static_cast<float>(strength * std::sin(position * frequency));
  }
}

}  // namespace

Status Validate(const StructuredShape& s) {
  if (s.head_dim < 32 || s.head_dim > 256 || s.head_dim % 8 != 0) {
    return InvalidArgument(
        fmt::format("head_dim is {}, must be a multiple of 8 between 32 and 256", s.head_dim));
  }
  if (s.heads < 1 || s.heads > 1024) {
    return InvalidArgument(fmt::format("heads is {}, must be between 1 and 1024", s.heads));
  }
  if (s.kv_heads < 1 || s.heads % s.kv_heads != 0) {
    return InvalidArgument(
        fmt::format("kv_heads is {}, must divide the {} heads", s.kv_heads, s.heads));
  }
  return OkStatus();
}

LayerData StructuredLayer(const StructuredShape& shape, TokenPos tokens) {
  const int dim = shape.head_dim;
  const Channels c(dim);
  LayerData d = {.name = "structured heads",
                 .shape = {1, shape.heads, shape.kv_heads, dim},
                 .rope = Rope(std::vector<double>(static_cast<size_t>(dim / 2), 0.0), 1.0, dim),
                 .tokens = tokens,
                 .native_context = 0,
                 .q = {},
                 .k = {},
                 .v = {}};
  Rng rng(7);
  const auto noise = [&](float* x, int n, double scale) {
    for (int i = 0; i < n; ++i) x[i] += static_cast<float>(scale * (2 * rng.Uniform() - 1));
  };
  d.q.assign(static_cast<size_t>(tokens * d.q_width()), 0.0f);
  d.k.assign(static_cast<size_t>(tokens * d.kv_width()), 0.0f);
  d.v.assign(d.k.size(), 0.0f);
  std::vector<float> topics(static_cast<size_t>(kTopics * c.n_topic));
  noise(topics.data(), kTopics * c.n_topic, 1.7);
  const auto topic = [&](TokenPos t) {
    return topics.data() + t / kTopicTokens * 37 % kTopics * c.n_topic;
  };
  for (TokenPos t = 0; t < tokens; ++t) {
    const bool flagged = t % 128 == t / 128 * 53 % 128;
    for (int g = 0; g < shape.kv_heads; ++g) {
      float* k = d.k.data() + t * d.kv_width() + g * dim;
      AddPosition(c, static_cast<double>(t), 1, k);
      for (int i = 0; i < c.n_flag; ++i) k[c.flag + i] += flagged ? 2.0f : t < 4 ? 1.5f : -0.5f;
      for (int i = 0; i < c.n_topic; ++i) k[c.topic + i] += topic(t)[i];
      noise(k, dim, 0.3);
      noise(d.v.data() + t * d.kv_width() + g * dim, dim, 1);
    }
    for (int h = 0; h < shape.heads; ++h) {
      float* q = d.q.data() + t * d.q_width() + h * dim;
      noise(q, dim, 0.3);
      switch (h % 4) {
        case 0:
          AddPosition(c, static_cast<double>(t), 7 * c.strength, q);
          break;
        case 1:
          for (int i = 0; i < c.n_flag; ++i) q[c.flag + i] += static_cast<float>(8 * c.strength);
          break;
        case 2:
          AddPosition(c, static_cast<double>(t - tokens / 8), 7 * c.strength, q);
          break;
        default:
          for (int i = 0; i < c.n_topic; ++i) {
            q[c.topic + i] += static_cast<float>(4 * c.strength) * topic(t)[i];
          }
      }
    }
  }
  return d;
}

struct RecordedLayer::File {
  SafetensorsFile file;
  QkvInfo info;
};

Result<RecordedLayer> RecordedLayer::Open(const std::filesystem::path& path) {
  Result<SafetensorsFile> file = SafetensorsFile::Open(path);
  if (!file.ok()) return file.status();
  Result<QkvInfo> info = ReadQkvInfo(*file);
  if (!info.ok()) return info.status();
  return RecordedLayer(std::make_shared<const File>(File{std::move(*file), std::move(*info)}));
}

std::string RecordedLayer::name() const {
  return fmt::format("layer {} of {}", file_->info.layer, file_->info.model);
}
TokenPos RecordedLayer::tokens() const { return file_->info.tokens; }
int64_t RecordedLayer::native_context() const { return file_->info.native_context; }
int64_t RecordedLayer::window() const { return file_->info.window; }

ModelShape RecordedLayer::shape() const {
  const QkvInfo& i = file_->info;
  ModelShape shape = {1, static_cast<int>(i.heads), static_cast<int>(i.kv_heads),
                      static_cast<int>(i.head_dim)};
  if (i.window > 0) shape.windows = {i.window};
  return shape;
}

Result<LayerData> RecordedLayer::Read(TokenPos tokens) const {
  const QkvInfo& i = file_->info;
  Result<QkvRows> rows = ReadQkvRows(file_->file, i, tokens);
  if (!rows.ok()) return rows.status();
  return LayerData{.name = name(),
                   .shape = shape(),
                   .rope = Rope(i.rope, i.rope_magnitude, static_cast<int>(i.head_dim)),
                   .tokens = tokens,
                   .native_context = i.native_context,
                   .q = std::move(rows->q),
                   .k = std::move(rows->k),
                   .v = std::move(rows->v)};
}

}  // namespace quarry::bench
