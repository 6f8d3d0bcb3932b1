-- Health of a RAGService for Argo CD, from the conditions as kstatus reads them.
-- A condition this script does not know changes nothing: Ready, Reconciling and
-- Stalled alone decide.
local health = { status = "Progressing", message = "Waiting for the operator to look at the resource" }

if obj.spec ~= nil and obj.spec.suspend then
  health.status = "Suspended"
  health.message = "spec.suspend is set: the operator changes nothing"
  return health
end

if obj.status == nil or obj.status.conditions == nil then
  return health
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  health.message = "Waiting for the operator to look at the newest generation"
  return health
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end

local function holds(name)
  return conditions[name] ~= nil and conditions[name].status == "True"
end

if holds("Stalled") then
  health.status = "Degraded"
  health.message = conditions.Stalled.message
elseif holds("Reconciling") then
  health.message = conditions.Reconciling.message
elseif holds("Ready") then
  health.status = "Healthy"
  health.message = conditions.Ready.message
elseif conditions.Ready ~= nil then
  health.message = conditions.Ready.message
end
return health
