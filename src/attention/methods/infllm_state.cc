#include "attention/methods/infllm_state.h"

#include <algorithm>

#include "attention/kv_rows.h"
#include "attention/methods/adaptive_budget.h"
#include "attention/select_top.h"

namespace quarry {

int64_t MostBlocks(const InfLlmConfig& c) {
  if (c.target_coverage == 0) return c.topk;
  return MostTokens(c.max_budget, c.topk * c.block_size) / c.block_size;
}

InfLlmState::InfLlmState(const InfLlmConfig& config, std::optional<QuestionMode> question,
                         const ModelShape& shape, DType dtype, int layer)
    : memory{.scores = ScoreWindow(shape.heads),
             .caches = std::vector<BlockCache>(
                 config.perhead ? static_cast<size_t>(shape.heads) : 1,
                 BlockCache(config.cache_strategy,
                            std::max(config.max_cached_block, MostBlocks(config)),
                            config.score_decay.value_or(0))),
             .question = std::nullopt},
      representatives(static_cast<size_t>(shape.heads) * static_cast<size_t>(shape.head_dim) *
                      SizeOf(dtype)),
      config_(config),
      shape_(shape),
      dtype_(dtype),
      layer_(layer) {
  if (question) memory.question.emplace(*question, config.n_local, config.repr_topk, shape);
  const size_t units = memory.caches.size();
  selected.resize(units);
  evicted.resize(units);
  block_scores.resize(units);
}

std::unique_ptr<MethodState> InfLlmState::Clone() const {
  auto copy = std::make_unique<InfLlmState>(*this);
  copy->observer = nullptr;
  return copy;
}

TokenPos InfLlmState::Truncate(TokenPos n) {
  if (n >= memory.length) return memory.length;
  const Memory* past = checkpoints_.Restore(n);
  if (past == nullptr) {
    std::optional<QuestionMode> mode;
    if (memory.question) mode = memory.question->mode();
    InfLlmObserver* const keep = observer;
    *this = InfLlmState(config_, mode, shape_, dtype_, layer_);
    observer = keep;
    return 0;
  }
  memory = *past;
  representatives.Truncate(memory.blocks);
  return memory.length;
}

size_t InfLlmState::size_bytes() const {
  return representatives.size_bytes() + memory.scores.size_bytes() + checkpoints_.size_bytes();
}

void InfLlmState::AddStats(MethodStats& stats) const {
  stats.memory_blocks += memory.blocks;
  for (const BlockCache& c : memory.caches) {
    stats.blocks_retrieved += c.lookups();
    stats.cache_hits += c.hits();
    stats.cache_evictions += c.evictions();
  }
}

void InfLlmState::BeginCall(TokenPos position) {
  checkpoints_.Save(position, memory, memory.scores.window_bytes());
}

void InfLlmState::EndBlock(const PlanInput& in, TokenPos first,
                           std::span<const std::span<const float>> local, ExecContext& ctx) {
  Memory& m = memory;
  m.length = in.first + in.n_rows;
  m.scores.ExtendTo(m.length);
  for (int h = 0; h < shape_.heads; ++h) {
    m.scores.Add(h, first, local[static_cast<size_t>(h)]);
  }
  if (m.question) m.question->Observe({&in, first, local}, ctx);

  int64_t rest = m.length - m.tail_start;
  if (!m.sinks_complete && rest > config_.n_local) {
    const int64_t take = std::min(config_.n_init - m.sinks, rest - config_.n_local);
    m.sinks += take;
    m.tail_start += take;
    rest -= take;
    m.sinks_complete = m.sinks == config_.n_init;
  }
  while (rest - config_.block_size >= config_.n_local) {
    FormBlock(in, ctx);
    m.tail_start += config_.block_size;
    rest -= config_.block_size;
  }
  m.scores.DropBefore(m.tail_start);
}

void InfLlmState::FormBlock(const PlanInput& in, ExecContext& ctx) {
  const TokenRange tokens = {memory.tail_start, memory.tail_start + config_.block_size};
  const int dim = shape_.head_dim;
  std::vector<float> mean(static_cast<size_t>(shape_.heads * dim), 0.0f);
  std::vector<float> key(static_cast<size_t>(dim));
  std::vector<TokenPos> repr_tokens;
  std::vector<int32_t> chosen;
  for (int h = 0; h < shape_.heads; ++h) {
    float* out = mean.data() + h * dim;
    TopIndices(memory.scores.Of(h, tokens), config_.repr_topk, chosen);
    for (int64_t i : chosen) {
      repr_tokens.push_back(tokens.begin + i);
      ReadKey(*in.kv, in.layer, KvPlane::kRawKeys, h / shape_.group(), tokens.begin + i,
              in.kv_dtype, dim, key.data());
      for (int c = 0; c < dim; ++c) out[c] += key[static_cast<size_t>(c)];
    }
    for (int c = 0; c < dim; ++c) out[c] /= static_cast<float>(chosen.size());
  }
  if (observer != nullptr) {
    std::vector<float> scores;
    for (int h = 0; h < shape_.heads; ++h) {
      const auto s = memory.scores.Of(h, tokens);
      scores.insert(scores.end(), s.begin(), s.end());
    }
    observer->OnBlock({layer_, memory.blocks, tokens, repr_tokens, scores, mean});
  }
  ctx.kernels().narrow(dtype_, mean.data(), static_cast<int64_t>(mean.size()),
                       representatives.Append());
  ++memory.blocks;
}

}  // namespace quarry
