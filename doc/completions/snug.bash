# bash completion for snug; made by 'snug completion bash'
_snug() {
  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"
  local name="${COMP_WORDS[1]}" words='' choices=''
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W 'check plan train eval predict data config demo run monitor analyze experiments help version completion' -- "$word"))
    return
  fi
  case "$name" in
    data|config)
      if [ "$COMP_CWORD" -eq 2 ]; then
        case "$name" in
          data) words='describe convert generate';;
          config) words='show list keys';;
        esac
        COMPREPLY=($(compgen -W "$words" -- "$word"))
        return
      fi
      name="$name ${COMP_WORDS[2]}";;
  esac
  case "$before" in
    --color) choices='auto always never';;
    --profile) choices='default low_memory high_performance quick_demo ultra_low_memory safe original';;
    --part) choices='train validation test all';;
  esac
  if [ -n "$choices" ]; then
    COMPREPLY=($(compgen -W "$choices" -- "$word"))
    return
  fi
  case "$name" in
    'check') words='--require --budget --memory-usage-ratio --max-memory-mb --help --json --quiet --color ';;
    'plan') words='--explain --curve --curve-picture --picture --verify --certificate --verify-certificate --recalibrate --budget --memory-usage-ratio --max-memory-mb --profile --threads --seed --data --dataset-path --window-size --stride --num-workers --prefetch-factor --batch-size --gradient-accumulation-steps --num-epochs --epochs --max-steps --learning-rate --optimizer --loss --smart --target --strict-memory-check --model-name --model-path --max-length --train-file --valid-file --test-file --weight-decay --warmup-ratio --early-stopping-patience --dataloader-num-workers --use-amp --gradient-checkpointing --fail-on --help --json --quiet --color ';;
    'train') words='--out --resume --output-dir --resume-from-checkpoint --dry-run --budget --memory-usage-ratio --max-memory-mb --profile --threads --seed --data --dataset-path --window-size --stride --num-workers --prefetch-factor --batch-size --gradient-accumulation-steps --num-epochs --epochs --max-steps --learning-rate --optimizer --loss --smart --target --strict-memory-check --model-name --model-path --max-length --train-file --valid-file --test-file --weight-decay --warmup-ratio --early-stopping-patience --dataloader-num-workers --use-amp --gradient-checkpointing --fail-on --help --json --quiet --color ';;
    'eval') words='--picture --checkpoint --part --data --threads --budget --memory-usage-ratio --max-memory-mb --fail-on --help --json --quiet --color ';;
    'predict') words='--output --checkpoint --part --data --threads --budget --memory-usage-ratio --max-memory-mb --help --json --quiet --color ';;
    'data describe') words='--group --dataset --inputs --targets --help --json --quiet --color ';;
    'data convert') words='--inputs --targets --rate --time --group --out --force --help --json --quiet --color ';;
    'data generate') words='--out --sessions --rows --channels --targets --rate --seed --force --help --json --quiet --color ';;
    'config show') words='--origin --profile --threads --seed --data --dataset-path --window-size --stride --num-workers --prefetch-factor --batch-size --gradient-accumulation-steps --num-epochs --epochs --max-steps --learning-rate --optimizer --loss --smart --target --strict-memory-check --model-name --model-path --max-length --train-file --valid-file --test-file --weight-decay --warmup-ratio --early-stopping-patience --dataloader-num-workers --use-amp --gradient-checkpointing --help --json --quiet --color ';;
    'config list') words='--help --json --quiet --color ';;
    'config keys') words='--help --json --quiet --color ';;
    'demo') words='--out --budget --memory-usage-ratio --max-memory-mb --help --json --quiet --color ';;
    'run') words='--limit --retry --shrink --grow --state --enforce --time-limit --grace --log-file --interval --json --help --quiet --color ';;
    'monitor') words='--pid --name --no-tree --interval --steady --duration --pss --pss-stall --gpu --log-file --log --force --chart --plot --plot-interval --report --limit --warn --threshold --gpu-threshold --help --json --quiet --color ';;
    'analyze') words='--report --limit --budget --log-file --fail-on --help --json --quiet --color ';;
    'experiments') words='--out --resume --keep-going --only --dry-run --budget --memory-usage-ratio --max-memory-mb --help --json --quiet --color ';;
    'help') words='--help --json --quiet --color ';;
    'version') words='--help --json --quiet --color ';;
    'completion') words='--help --json --quiet --color ';;
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$word")); return;;
  esac
  case "$name" in
    plan|train|'config show') COMPREPLY=($(compgen -W 'timeseries timeseries_small text seed= threads= budget= data.path= data.group= data.dataset= data.inputs= data.targets= data.time= data.metadata= data.cache_dir= data.window= data.stride= data.evaluation_stride= data.padding_left= data.padding_right= data.jitter= data.rotate_channels= data.skip_invalid= data.mask= data.normalize= data.normalize_targets= data.normalize_with= data.max_samples_for_normalize= data.chunk_cache_size= data.num_workers= data.prefetch_factor= data.max_files= data.split_seed= data.train_ratio= data.val_ratio= data.test_ratio= data.valid_path= data.test_path= data.format= data.text_field= data.pair_field= data.label_field= data.label_map= data.max_length= data.length_buckets= data.group_by_length= model.name= model.path= model.dropout_rate= model.pretrained= model.hidden= model.layers= model.sample_rate= model.rollout_rate= model.decoder= model.channels= model.target_count= model.tds_stages.0.in_conv_kernel= model.tds_stages.0.in_conv_stride= model.tds_stages.0.num_blocks= model.tds_stages.0.channels= model.tds_stages.0.feature_width= model.tds_stages.0.kernel_width= model.tds_stages.0.out_channels= model.tds_stages.1.in_conv_kernel= model.tds_stages.1.in_conv_stride= model.tds_stages.1.num_blocks= model.tds_stages.1.channels= model.tds_stages.1.feature_width= model.tds_stages.1.kernel_width= model.tds_stages.1.out_channels= model.tds_stages.2.in_conv_kernel= model.tds_stages.2.in_conv_stride= model.tds_stages.2.num_blocks= model.tds_stages.2.channels= model.tds_stages.2.feature_width= model.tds_stages.2.kernel_width= model.tds_stages.2.out_channels= model.tds_stages.3.in_conv_kernel= model.tds_stages.3.in_conv_stride= model.tds_stages.3.num_blocks= model.tds_stages.3.channels= model.tds_stages.3.feature_width= model.tds_stages.3.kernel_width= model.tds_stages.3.out_channels= training.batch_size= training.gradient_accumulation_steps= training.max_steps= training.epochs= training.checkpoint_every_steps= training.keep_checkpoints= training.eval_every_steps= training.log_every_steps= training.early_stopping= training.early_stopping_patience= training.smart= training.round_epochs= training.round_patience= training.target= training.min_delta= training.restore_best= training.clip_norm= training.clip_passes= training.loss= training.mae_weight= training.label_smoothing= training.precision= training.compute_metrics_online= training.tensorboard= training.on_pressure= training.strict_memory_check= training.persistent_workers= training.pin_memory= optimizer.name= optimizer.lr= optimizer.weight_decay= optimizer.beta1= optimizer.beta2= optimizer.eps= optimizer.momentum= optimizer.no_decay= scheduler.name= scheduler.warmup_epochs= scheduler.warmup_ratio= scheduler.warmup_steps= scheduler.min_lr=' -- "$word"))
      [ "${COMPREPLY[0]: -1}" = = ] && compopt -o nospace;;
    completion) COMPREPLY=($(compgen -W 'bash zsh fish' -- "$word"));;
    'data generate') COMPREPLY=($(compgen -W 'timeseries' -- "$word"));;
    help) COMPREPLY=($(compgen -W 'check plan train eval predict data config demo run monitor analyze experiments help version completion' -- "$word"));;
  esac
}
complete -o default -F _snug snug
