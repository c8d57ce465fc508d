"""Operations of TensorFlow that a SavedModel may have: arithmetic on tensors, control flow and variables.

A SavedModel is a program, and some of TensorFlow's 1,400 operations read and write files, run Python, log to a URL or
speak with other machines. Listed are those of TensorFlow's Object Detection API, of Keras and its applications, and of
onnx2tf, with their near relatives; none of them reaches beyond the process. Whatever is not listed is refused.
"""

_ARITHMETIC = (
    "Abs Acos Acosh Add AddN AddV2 Asin Asinh Atan Atan2 Atanh BiasAdd BiasAddV1 BitwiseAnd BitwiseOr BitwiseXor "
    "Bitcast Cast Ceil ClipByValue Cos Cosh Cumprod Cumsum CumulativeLogsumexp Div DivNoNan Einsum Elu Erf Erfc Erfinv "
    "Exp Expm1 Floor FloorDiv FloorMod Inv Invert LeakyRelu LeftShift Lgamma Log Log1p LogSoftmax Maximum Minimum Mod "
    "Mul MulNoNan Neg NextAfter Pow RealDiv Reciprocal Relu Relu6 RightShift Rint Round Rsqrt Selu Sigmoid Sign Sin "
    "Sinh Softmax Softplus Softsign Sqrt Square SquaredDifference Sub Tan Tanh TruncateDiv TruncateMod Xdivy Xlog1py "
    "Xlogy"
)
_COMPARISONS = (
    "ApproximateEqual Equal Greater GreaterEqual IsFinite IsInf IsNan Less LessEqual LogicalAnd LogicalNot LogicalOr "
    "NotEqual Select SelectV2"
)
_REDUCTIONS = "All Any ArgMax ArgMin Bincount EuclideanNorm L2Loss Max Mean Min Prod Sum"
_LINEAR_ALGEBRA = "BatchMatMul BatchMatMulV2 BatchMatMulV3 MatMul MatrixBandPart MatrixDiag MatrixDiagV2 MatrixDiagV3"
_CONVOLUTIONS = (
    "AvgPool AvgPool3D BatchToSpace BatchToSpaceND Conv Conv2D Conv2DBackpropInput Conv2DBackpropInputV2 Conv3D "
    "Conv3DBackpropInputV2 DepthToSpace DepthwiseConv2dNative Dilation2D ExtractImagePatches FusedBatchNorm "
    "FusedBatchNormV2 FusedBatchNormV3 LRN MaxPool MaxPool3D MaxPoolV2 MaxPoolWithArgmax SpaceToBatch SpaceToBatchND "
    "SpaceToDepth"
)
_IMAGES = (
    "AdjustContrastv2 AdjustHue AdjustSaturation CombinedNonMaxSuppression CropAndResize GenerateBoundingBoxProposals "
    "HSVToRGB ImageProjectiveTransformV2 ImageProjectiveTransformV3 NonMaxSuppression NonMaxSuppressionV2 "
    "NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5 NonMaxSuppressionWithOverlaps RGBToHSV ResizeArea "
    "ResizeBicubic ResizeBilinear ResizeNearestNeighbor ScaleAndTranslate"
)
_QUANTISATION = (
    "Dequantize FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel "
    "QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4 QuantizeV2"
)
_SHAPES = (
    "BroadcastArgs BroadcastTo Concat ConcatOffset ConcatV2 Const DataFormatDimMap DataFormatVecPermute "
    "DynamicPartition DynamicStitch EnsureShape ExpandDims Fill Gather GatherNd GatherV2 Identity IdentityN "
    "InvertPermutation LinSpace ListDiff LowerBound MirrorPad NthElement OneHot OnesLike Pack Pad PadV2 "
    "ParallelDynamicStitch Range Rank Reshape Reverse ReverseSequence ReverseV2 Roll ScatterNd SegmentMax SegmentMean "
    "SegmentMin SegmentSum Shape ShapeN Size Slice Snapshot Split SplitV Squeeze StridedSlice TensorScatterAdd "
    "TensorScatterMax TensorScatterMin TensorScatterUpdate Tile TopK TopKV2 Transpose Unique UniqueV2 "
    "UniqueWithCounts UnravelIndex UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentSum Unpack UpperBound Where "
    "ZerosLike"
)
_CONTROL_FLOW = (
    "Case ControlTrigger Enter Exit FakeParam If LoopCond Merge NextIteration NoOp PartitionedCall Placeholder "
    "PlaceholderV2 PlaceholderWithDefault PreventGradient StatefulPartitionedCall StatelessCase StatelessIf "
    "StatelessWhile StopGradient Switch While"
)
_LISTS = (
    "EmptyTensorList TensorArrayCloseV3 TensorArrayConcatV3 TensorArrayGatherV3 TensorArrayReadV3 TensorArrayScatterV3 "
    "TensorArraySizeV3 TensorArraySplitV3 TensorArrayV3 TensorArrayWriteV3 TensorListConcat TensorListConcatV2 "
    "TensorListElementShape TensorListFromTensor TensorListGather TensorListGetItem TensorListLength "
    "TensorListPopBack TensorListPushBack TensorListReserve TensorListResize TensorListScatter TensorListScatterV2 "
    "TensorListSetItem TensorListSplit TensorListStack"
)
_VARIABLES = (
    "Assign AssignAddVariableOp AssignSubVariableOp AssignVariableOp DestroyResourceOp DisableCopyOnRead "
    "IsVariableInitialized ReadVariableOp ResourceGather ResourceGatherNd TruncatedNormal RandomStandardNormal "
    "RandomUniform StatelessRandomGetKeyCounter StatelessRandomUniformV2 StatelessTruncatedNormalV2 VarHandleOp "
    "VarIsInitializedOp Variable VariableShape VariableV2"
)
# Assert stops the network and says why; it prints nothing.
_CHECKS = "Assert CheckNumerics"

ALLOWED = frozenset(
    " ".join(
        (
            *(_ARITHMETIC, _COMPARISONS, _REDUCTIONS, _LINEAR_ALGEBRA, _CONVOLUTIONS, _IMAGES, _QUANTISATION),
            *(_SHAPES, _CONTROL_FLOW, _LISTS, _VARIABLES, _CHECKS),
        )
    ).split()
)
# Of the part that writes and reads checkpoints, which every SavedModel has and no detector runs: it is cut out.
CHECKPOINTS = frozenset(
    ("MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename", "StaticRegexFullMatch", "StringJoin")
)
