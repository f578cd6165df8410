// The attention methods and their parameters, one struct each. Lengths are in tokens.
//
// Every struct checks itself: Validate() returns the first parameter outside its range, naming the
// value and the limit. Symbols in brackets are those of the papers and of docs/methods/.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "quarry/pattern_table.h"
#include "quarry/status.h"

namespace quarry {

// Reading the prompt, or producing the answer.
enum class Phase : uint8_t { kPrefill, kDecode };

// Which phases a method can serve.
enum class PhaseSupport : uint8_t {
  kEither,       // one or both
  kPrefillOnly,  // answers are produced by another method
  kDecodeOnly,   // prompts are read by another method
  kBoth,         // both or none: it answers from what it built up while reading
};

// Dense causal attention over every earlier token.
struct DenseConfig {
  static constexpr std::string_view kName = "dense";
  static constexpr PhaseSupport kPhases = PhaseSupport::kEither;
  Status Validate() const { return OkStatus(); }
  friend bool operator==(const DenseConfig&, const DenseConfig&) = default;
};

// StreamingLLM (Xiao et al., arXiv:2309.17453): the first n_init tokens and a sliding window; sinks
// are seen at their slot in the cache.
struct StreamLlmConfig {
  static constexpr std::string_view kName = "stream-llm";
  static constexpr PhaseSupport kPhases = PhaseSupport::kEither;
  int64_t n_init = 128;    // sinks
  int64_t n_local = 4096;  // window, the query itself included
  Status Validate() const;
  friend bool operator==(const StreamLlmConfig&, const StreamLlmConfig&) = default;
};

// LM-Infinite (Han et al., arXiv:2308.16137): as above, every sink seen at distance n_local - 1.
struct InfiniteLmConfig {
  static constexpr std::string_view kName = "infinite-lm";
  static constexpr PhaseSupport kPhases = PhaseSupport::kEither;
  int64_t n_init = 128;
  int64_t n_local = 4096;
  Status Validate() const;
  friend bool operator==(const InfiniteLmConfig&, const InfiniteLmConfig&) = default;
};

// What a query does with keys that left the window of its execution block's last query but are
// still inside its own.
enum class WindowMask {
  kReference,  // attends them twice, as the authors' code does
  kStrict,     // attends them once
};

enum class CachePolicy { kLru, kLruS, kFifo };

// InfLLM (Xiao et al., arXiv:2402.04617): sinks, a sliding window, and the blocks of an unbounded
// context memory whose representative keys match the queries best.
struct InfLlmConfig {
  static constexpr std::string_view kName = "inf-llm";
  static constexpr PhaseSupport kPhases = PhaseSupport::kBoth;
  int64_t n_init = 128;           // sinks [I]
  int64_t n_local = 4096;         // window, the query itself included [L]
  int64_t block_size = 128;       // tokens of a memory block [B]
  int64_t topk = 16;              // blocks retrieved per execution block [K]
  int64_t repr_topk = 4;          // tokens that represent a block, per query head [R]
  int64_t exc_block_size = 512;   // queries that retrieve together [X]
  int64_t max_cached_block = 32;  // blocks in the fast tier [M]; raised to topk if below
  CachePolicy cache_strategy = CachePolicy::kLru;
  std::optional<double> score_decay;       // required by lru-s
  std::optional<int64_t> chunk_topk_calc;  // select once for this many tokens
  bool perhead = false;                    // every query head selects for itself
  WindowMask mask = WindowMask::kReference;
  double target_coverage = 0;                        // see QuestConfig; topk is the least
  std::optional<int64_t> max_budget = std::nullopt;  // tokens; unset: 8 * topk * block_size
  Status Validate() const;
  friend bool operator==(const InfLlmConfig&, const InfLlmConfig&) = default;
};

// How the relevance of a block to the query is measured.
enum class BlockSimilarity { kDot, kCosine, kL2, kNormalizedL2, kDotMinusL2, kAngular, kPearson };

// Which tokens the question vector is made of when the question is not where the authors' code
// expects it (docs/methods/qllm.md, "Deviations").
enum class QuestionMode { kReference, kStrict };

// Q-LLM (Li et al., arXiv:2406.07528): InfLLM whose block score also looks at the question.
struct QLlmConfig : InfLlmConfig {
  static constexpr std::string_view kName = "qllm";
  double question_weight = 1.0;
  QuestionMode question_mode = QuestionMode::kStrict;
  BlockSimilarity block_similarity = BlockSimilarity::kDot;
  Status Validate() const;
  friend bool operator==(const QLlmConfig&, const QLlmConfig&) = default;
};

// Which pages compete for a query's budget.
enum class QuestSelection {
  kKernel,  // all but the last, which is always kept; everything where everything fits
  kEval,    // all, at least three are kept: the authors' accuracy evaluation, exactly
};

// Whose page scores decide together.
enum class QuestGroup {
  kPerHead,  // every query head keeps its own pages
  kMean,     // one list per KV head, by the mean of its query heads' scores
  kMax,      // one list per KV head, by the largest score
};

// What page bounds are kept in.
enum class PageBoundsType {
  kKeys,  // the type of the keys: exact
  kInt8,  // 8 bits, rounded outwards: half the bytes of 16-bit keys, nearly the same pages
};

// Quest (Tang et al., arXiv:2406.10774): a decoding step attends to the pages whose keys, by their
// smallest and largest value per channel, may match the query best. Prompts are attended densely.
struct QuestConfig {
  static constexpr std::string_view kName = "quest";
  static constexpr PhaseSupport kPhases = PhaseSupport::kDecodeOnly;
  int64_t page_size = 16;       // [S]
  int64_t token_budget = 1024;  // [T]; floor(T / S) pages, the last one included
  int64_t dense_layers = 2;     // the first layers attend to everything
  QuestSelection selection = QuestSelection::kKernel;
  QuestGroup group_score = QuestGroup::kPerHead;
  PageBoundsType page_bounds = PageBoundsType::kKeys;
  // Below 1: each selection grows from the budget, page by page in the order of their scores, until
  // it holds this share of the attention that all of the past would get, or max_budget. The share
  // is estimated from a sample of the pages left out. 0: budgets are fixed.
  double target_coverage = 0;
  std::optional<int64_t> max_budget = std::nullopt;  // tokens; unset: 8 * token_budget
  Status Validate() const;
  friend bool operator==(const QuestConfig&, const QuestConfig&) = default;
};

// InfLLM's window, sinks and capped distances with Quest's pages as the address of the memory:
// every query head retrieves for itself. Not from a paper; docs/methods/inf-quest.md compares the
// two.
struct InfQuestConfig {
  static constexpr std::string_view kName = "inf-quest";
  static constexpr PhaseSupport kPhases = PhaseSupport::kBoth;
  int64_t n_init = 128;          // sinks
  int64_t n_local = 4096;        // window, the query itself included
  int64_t page_size = 16;        // tokens that are retrieved together
  int64_t read_budget = 512;     // tokens that a piece of the prompt retrieves
  int64_t answer_budget = 2048;  // tokens that the question and every token of the answer retrieve
  int64_t exc_block_size = 128;  // queries of the prompt that retrieve together
  QuestGroup group_score = QuestGroup::kPerHead;
  PageBoundsType page_bounds = PageBoundsType::kKeys;
  double target_coverage = 0;                        // see QuestConfig; either budget is the least
  std::optional<int64_t> max_budget = std::nullopt;  // tokens; unset: 8 times either budget
  Status Validate() const;
  friend bool operator==(const InfQuestConfig&, const InfQuestConfig&) = default;
};

// H2O (Zhang et al., arXiv:2306.14048): while decoding, a KV head keeps the tokens that received
// the most attention so far, and the latest.
struct H2oConfig {
  static constexpr std::string_view kName = "h2o";
  static constexpr PhaseSupport kPhases = PhaseSupport::kEither;
  int64_t heavy_size = 512;   // tokens kept for their attention
  int64_t recent_size = 512;  // latest tokens
  Status Validate() const;
  friend bool operator==(const H2oConfig&, const H2oConfig&) = default;
};

// TOVA (Oren et al., arXiv:2401.06104): while decoding, a layer keeps the tokens that the last
// query attended to most.
struct TovaConfig {
  static constexpr std::string_view kName = "tova";
  static constexpr PhaseSupport kPhases = PhaseSupport::kEither;
  int64_t cache_size = 1024;
  Status Validate() const;
  friend bool operator==(const TovaConfig&, const TovaConfig&) = default;
};

// A-shape prefill (Jiang et al., arXiv:2407.02490): the first n_init tokens and the last n_local,
// at their true positions. Decoding is dense.
struct AShapeConfig {
  static constexpr std::string_view kName = "a-shape";
  static constexpr PhaseSupport kPhases = PhaseSupport::kPrefillOnly;
  int64_t n_init = 128;
  int64_t n_local = 3968;      // the query itself included
  int64_t starting_layer = 0;  // layers below are dense
  Status Validate() const;
  friend bool operator==(const AShapeConfig&, const AShapeConfig&) = default;
};

// Tri-shape prefill (Li et al., arXiv:2412.10319): as a-shape, and the prompt's last n_last rows
// attend everything. With dense layers below starting_layer it is TriangleMix (He et al.,
// arXiv:2507.21526).
struct TriShapeConfig : AShapeConfig {
  static constexpr std::string_view kName = "tri-shape";
  static constexpr PhaseSupport kPhases = PhaseSupport::kPrefillOnly;
  int64_t n_last = 100;
  Status Validate() const;
  friend bool operator==(const TriShapeConfig&, const TriShapeConfig&) = default;
};

// MInference prefill (Jiang et al., arXiv:2407.02490): each head follows a pattern of its own, from
// a file, whose indices are estimated from a call's last 64 queries. Decoding is dense.
struct MInferenceConfig {
  static constexpr std::string_view kName = "minference";
  static constexpr PhaseSupport kPhases = PhaseSupport::kPrefillOnly;
  // The original's JSON (quarry/pattern_table.h). Empty: automatic, every head takes as many
  // columns or slashes as `coverage` asks for.
  std::string pattern_file;
  // What pattern_file says; Engine::Open reads it where it is null.
  std::shared_ptr<const PatternTable> patterns;
  double coverage = 0.95;        // automatic: share of the estimating queries' attention to keep
  int64_t vertical_size = 1000;  // of heads that the file does not have
  int64_t slash_size = 6096;
  int64_t top_k = 100;         // blocks of 64 keys that a row block of a block-sparse head takes
  double ratio = 1;            // the file's sizes are multiplied by it
  int64_t starting_layer = 0;  // layers below are dense
  Status Validate() const;
  friend bool operator==(const MInferenceConfig&, const MInferenceConfig&) = default;
};

// How FlexPrefill turns scores into blocks.
enum class FlexSelectionRule {
  kReference,  // as the authors' code does
  kCoverage,   // so that the chosen blocks really reach gamma (docs/methods/flexprefill.md)
};

// FlexPrefill (Lai et al., arXiv:2502.20766). Each head of each call chooses between vertical-slash
// and query-aware block selection. Decoding is dense.
struct FlexPrefillConfig {
  static constexpr std::string_view kName = "flexprefill";
  static constexpr PhaseSupport kPhases = PhaseSupport::kPrefillOnly;
  double gamma = 0.9;                 // share of the attention to keep, above 0 and at most 1
  double tau = 0.1;                   // divergence below which a head is query-aware, 0 to 1
  int64_t min_budget = 1024;          // tokens per head: floor of columns and of diagonals
  std::optional<int64_t> max_budget;  // and their cap
  int64_t block_size = 128;           // 16, 32, 64 or 128 tokens
  FlexSelectionRule selection = FlexSelectionRule::kReference;
  Status Validate() const;
  friend bool operator==(const FlexPrefillConfig&, const FlexPrefillConfig&) = default;
};

using AttentionConfig =
    std::variant<DenseConfig, StreamLlmConfig, InfiniteLmConfig, InfLlmConfig, QLlmConfig,
                 InfQuestConfig, QuestConfig, H2oConfig, TovaConfig, MInferenceConfig,
                 FlexPrefillConfig, AShapeConfig, TriShapeConfig>;

// Every method's name, in the order of the documentation.
std::vector<std::string_view> MethodNames();

// The default configuration of the method called `name`. Names of the original projects are known,
// too: origin and full (dense), stream-lm and streaming (stream-llm), minfer (minference),
// flex_prefill and flex-prefill (flexprefill), a_shape, tri_shape. An unknown name is an error that
// suggests the nearest.
Result<AttentionConfig> DefaultAttentionConfig(std::string_view name);

std::string_view MethodName(const AttentionConfig& config);
PhaseSupport PhasesOf(const AttentionConfig& config);
Status Validate(const AttentionConfig& config);

}  // namespace quarry
