. /tmp/probe/env.sh; export PATH=$PATH:$(dirname $(ls ~/.cache/changestream-migration/temporal*/temporal)); ID=$1; NS=$2; EXTRA=$3
temporal workflow start --type migrateCollection --task-queue changestream-migration --workflow-id $ID --fail-existing --input "{\"source\":\"source\",\"target\":\"target\",\"namespace\":\"$NS\"$EXTRA}" | grep RunId
for i in $(seq 1 60); do sleep 3; Q=$(temporal workflow query -w $ID --type status -o json | python3 -c "
import json,sys; d=json.load(sys.stdin)['queryResult'][0] 
print(d['phase'],d['copied']['documents'],'lag',d['lagSeconds'],d['captured'] and (d['captured']['events'],d['captured']['eventsPerSecond']),d['applied'],'v',d['verification']['documents'],d['problem'])"); echo "$Q $(ps -o rss= -p $(pgrep -f 'src/worker.ts|dist/worker.js' | head -1))"; echo "$Q" | grep -qE "^(ready|failed|aborted)" && break; done
