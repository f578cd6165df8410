// An attention method: a strategy that plans which keys the queries of one layer attend to. It is
// immutable and shared by all sequences; what it remembers about a sequence is a MethodState, one
// per sequence and layer, which follows the sequence through truncate and fork.
//
// To add one, see docs/adding-a-method.md.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/attention_config.h"
#include "quarry/status.h"

#include "attention/execute.h"
#include "attention/plan.h"
#include "kv/kv_store.h"
#include "ops/exec_context.h"
#include "ops/rope.h"
#include "tensor/model_shape.h"

namespace quarry {

// What a method asks of the rest of the engine.
struct MethodNeeds {
  std::array<PlaneRule, kKvPlanes> planes;  // in the order of KvPlane
  // Rows that are planned, executed and observed together; calls are cut into such execution
  // blocks from their start. 0: the whole call.
  int64_t exec_rows = 0;
  // The last token of a prompt is a call of its own.
  bool last_token_alone = false;
  // Distances stay below this many tokens however long the text is; unset: they grow with it.
  std::optional<int64_t> farthest = {};
  // The question should also stand before the document.
  bool question_first = false;
};

// Counted over the life of a sequence, summed over layers.
struct MethodStats {
  int64_t blocks_retrieved = 0;
  int64_t cache_hits = 0;  // of blocks_retrieved, those that the fast tier held
  int64_t cache_evictions = 0;
  int64_t memory_blocks = 0;  // blocks of the context memory now
};

class MethodState {
 public:
  virtual ~MethodState() = default;
  virtual std::unique_ptr<MethodState> Clone() const = 0;
  // Goes back to the longest state not beyond `n` tokens that can be restored exactly, and returns
  // its length; the caller feeds the tokens from there to n again.
  virtual TokenPos Truncate(TokenPos n) = 0;
  virtual size_t size_bytes() const = 0;
  virtual void AddStats(MethodStats&) const {}
};

// What the caller of a request knows about it.
struct RequestHints {
  TokenRange question;      // tokens of the question in the prompt; empty: none
  TokenPos prompt_end = 0;  // one past the prompt's last token; 0: a call is a prompt
};

// One execution block, before it is attended. In a layer with a sliding window
// (shape->window(layer)), keys outside of it are taken out of segments with true distances after
// planning; a method may look at the window to spend its budget inside.
struct PlanInput {
  int layer = 0;
  Phase phase = Phase::kPrefill;
  TokenPos call_begin = 0;  // the forward call this block belongs to: tokens [begin, end)
  TokenPos call_end = 0;
  TokenPos first = 0;  // position of row 0; all tokens of the call are in the store already
  int n_rows = 0;
  const float* q = nullptr;  // [call_end - call_begin][q_stride] of the whole call, not rotated
  int64_t q_stride = 0;
  const ModelShape* shape = nullptr;
  DType kv_dtype = DType::kBF16;
  const KvStore* kv = nullptr;
  const Rope* rope = nullptr;
  const float* cos = nullptr;  // [call_end - call_begin][rope->pairs()], angles of the call's rows
  const float* sin = nullptr;
  RequestHints hints;

  // Row `row` of this block.
  const float* q_row(int64_t row) const { return q + (first - call_begin + row) * q_stride; }
};

class AttentionMethod {
 public:
  virtual ~AttentionMethod() = default;
  virtual std::string_view name() const = 0;
  virtual MethodNeeds needs() const = 0;
  // Why this model cannot be run; empty if it can. A method that makes keys appear at a distance
  // that is not the true one refuses models whose windows are narrower than that distance.
  virtual std::vector<std::string> Unsupported(const ModelShape&) const { return {}; }
  virtual std::unique_ptr<MethodState> NewState(const ModelShape& shape, DType kv_dtype,
                                                int layer) const = 0;
  // Bytes of state and summaries that all layers together keep after `tokens` tokens.
  virtual size_t StateBytes(const ModelShape&, DType, TokenPos /*tokens*/) const { return 0; }
  virtual void Plan(const PlanInput& input, MethodState& state, ExecContext& ctx,
                    AttentionPlan& plan) const = 0;
  // Everything that the method could attend, by its own position rule: what a selection is measured
  // against. False: it drops keys, so that nobody can tell.
  virtual bool PlanEverything(const PlanInput& input, AttentionPlan& plan) const;
  // After execution of what Plan planned.
  virtual void Observe(const PlanInput&, const AttentionPlan&, const KeyScores&, MethodState&,
                       ExecContext&) const {}
  // Instead of Plan and Observe, once for a whole forward call: another method attended it. What
  // this one keeps about the sequence catches up.
  virtual void Follow(const PlanInput&, MethodState&, ExecContext&) const {}
};

// The registry. REQUIRES: Validate(config) is ok.
std::unique_ptr<const AttentionMethod> MakeMethod(const AttentionConfig& config);

// State of methods that remember nothing.
class NoState final : public MethodState {
 public:
  std::unique_ptr<MethodState> Clone() const override { return std::make_unique<NoState>(); }
  TokenPos Truncate(TokenPos n) override { return n; }
  size_t size_bytes() const override { return 0; }
};

}  // namespace quarry
